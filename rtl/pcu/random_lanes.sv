// The generators of stochastic rounding of a program, one a lane. `value` is what a vector that is rounded now uses; it is
// valid only with `take`. Rules: models/fabric/pcu/README.md, "Stochastic rounding".
`include "fp.svh"

module random_lanes #(
    parameter LANES = 32
) (
    input  logic                clk,
    input  logic                start,
    input  logic [31:0]         seed,
    input  logic                take,
    output logic [32*LANES-1:0] value
);
  logic [32*LANES-1:0] state;
  always_comb begin
    value = '0;
    if (take) begin
      for (int i = 0; i < LANES; i++) value[32*i+:32] = xorshift(state[32*i+:32]);
    end
  end
  always_ff @(posedge clk) begin
    if (start) begin
      for (int i = 0; i < LANES; i++) state[32*i+:32] <= xorshift_seed(seed, i);
    end else if (take) state <= value;
  end
endmodule
