// A row of the systolic array: LANES cells, each with two accumulators, one of which adds factor * lane in a step.
module systolic_row #(
    parameter LANES = 32
) (
    input  logic                clk,
    input  logic                integers,
    input  logic                step,
    input  logic                first,
    input  logic                set,
    input  logic [16*LANES-1:0] lanes,
    input  logic [15:0]         factor,
    output logic [32*LANES-1:0] result0,
    output logic [32*LANES-1:0] result1
);
  localparam VECTOR = 32 * LANES;

  logic [VECTOR-1:0] addend, fused, sum;
  always_comb begin
    addend = '0;
    if (step && !first) addend = set ? result1 : result0;
  end

  fma #(.FRAC(7), .LANES(LANES)) cells (.en(step && !integers), .a({LANES{factor}}), .b(lanes), .c(addend), .y(fused));

  // Two products of bytes.
  function automatic logic [31:0] products(input logic [15:0] x, input logic [15:0] y);
    logic signed [31:0] low, high;
    low = $signed(x[7:0]) * $signed(y[7:0]);
    high = $signed(x[15:8]) * $signed(y[15:8]);
    products = low + high;
  endfunction
  always_comb begin
    sum = fused;
    if (step && integers) begin
      for (int i = 0; i < LANES; i++) sum[32*i+:32] = addend[32*i+:32] + products(factor, lanes[16*i+:16]);
    end
  end

  always_ff @(posedge clk) begin
    if (step && !set) result0 <= sum;
    if (step && set) result1 <= sum;
  end
endmodule
