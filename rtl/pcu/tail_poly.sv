// Cubic polynomials of the tail's tables, one a lane, a vector a cycle: three multiplications, each with a register behind it.
// A lane's `place` is {segment, position in it}; y is in units of 2^-30.
`include "tail_tables.svh"

module tail_poly #(
    parameter LANES = 32,
    parameter FLAGS = 1,
    parameter ALONG = 1
) (
    input  logic                   clk,
    input  logic                   rst_n,
    input  logic                   start,
    input  logic [FLAGS-1:0]       in_flags,
    input  logic [ALONG*LANES-1:0] in_along,  // what travels with it
    input  logic [33*LANES-1:0]    place,
    output logic [FLAGS-1:0]       flags,
    output logic [ALONG*LANES-1:0] along,
    output logic [32*LANES-1:0]    y,
    output logic                   working
);
  localparam C1 = TAIL_C0_BITS;
  localparam C2 = C1 + TAIL_C1_BITS;
  localparam C3 = C2 + TAIL_C2_BITS;
  localparam FIRST = TAIL_C0_BITS + TAIL_C1_BITS + 25 + 23;  // {c0, c1, u, w}
  localparam SECOND = TAIL_C0_BITS + 28 + 23;                // {c0, v, w}

  function automatic logic [FIRST-1:0] step1(input logic [32:0] at);
    logic [98:0] c;
    logic signed [42:0] product;
    logic signed [24:0] u;
    c = tail_segment(at[32:23]);
    product = $signed(c[C3+:TAIL_C3_BITS]) * $signed({1'b0, at[22:0]});
    u = 25'($signed(c[C2+:TAIL_C2_BITS])) + 25'(product >>> 23);
    step1 = {c[0+:TAIL_C0_BITS], c[C1+:TAIL_C1_BITS], u, at[22:0]};
  endfunction
  function automatic logic [SECOND-1:0] step2(input logic [FIRST-1:0] at);
    logic signed [48:0] product;
    logic signed [27:0] v;
    product = $signed(at[47:23]) * $signed({1'b0, at[22:0]});
    v = 28'($signed(at[48+:TAIL_C1_BITS])) + 28'(product >>> 23);
    step2 = {at[FIRST-1-:TAIL_C0_BITS], v, at[22:0]};
  endfunction
  function automatic logic [31:0] step3(input logic [SECOND-1:0] at);
    logic signed [51:0] product;
    product = $signed(at[50:23]) * $signed({1'b0, at[22:0]});
    step3 = {1'b0, at[SECOND-1-:TAIL_C0_BITS]} + 32'(product >>> 23);
  endfunction

  logic [FLAGS-1:0] flags1, flags2;
  logic [ALONG*LANES-1:0] along1, along2;
  logic [FIRST*LANES-1:0] next1, value1;
  logic [SECOND*LANES-1:0] next2, value2;
  logic [32*LANES-1:0] next3;
  always_comb begin
    next1 = '0;
    next2 = '0;
    next3 = '0;
    if (in_flags != '0) for (int i = 0; i < LANES; i++) next1[FIRST*i+:FIRST] = step1(place[33*i+:33]);
    if (flags1 != '0) for (int i = 0; i < LANES; i++) next2[SECOND*i+:SECOND] = step2(value1[FIRST*i+:FIRST]);
    if (flags2 != '0) for (int i = 0; i < LANES; i++) next3[32*i+:32] = step3(value2[SECOND*i+:SECOND]);
  end
  always_ff @(posedge clk) begin
    if (in_flags != '0) begin
      value1 <= next1;
      along1 <= in_along;
    end
    if (flags1 != '0) begin
      value2 <= next2;
      along2 <= along1;
    end
    if (flags2 != '0) begin
      y <= next3;
      along <= along2;
    end
    if (!rst_n || start) begin
      flags1 <= '0;
      flags2 <= '0;
      flags <= '0;
    end else begin
      flags1 <= in_flags;
      flags2 <= flags1;
      flags <= flags2;
    end
  end
  assign working = flags1 != '0 || flags2 != '0 || flags != '0;
endmodule
