// The output-stationary array of matrix mode: STAGES rows of LANES accumulators, each twice, so that one tile drains while the
// next accumulates. A step's operands pass log2(LANES) levels of the broadcast tree and then go from row to row, one a cycle; row
// r adds a step log2(LANES) + 1 + r cycles after it was taken. In the cycle after `ends` all rows of a tile can be read.
`include "pcu.svh"

module systolic #(
    parameter LANES = 32,
    parameter STAGES = 6
) (
    input  logic                       clk,
    input  logic                       rst_n,
    input  logic                       start,
    input  logic                       integers,   // INT8, two k a step; else BF16
    // a step
    input  logic                       step,
    input  logic                       step_first,  // of its tile: from zero
    input  logic                       step_last,
    input  logic                       step_set,    // accumulators that the tile has
    input  logic [16*LANES-1:0]        step_lanes,
    input  logic [16*STAGES-1:0]       step_rows,
    output logic                       working,     // there are steps on their way
    output logic                       ends,
    // a row
    input  logic                       row_set,
    input  logic [$clog2(STAGES+1)-1:0] row_number,
    output logic [32*LANES-1:0]        row
);
  localparam VECTOR = 32 * LANES;
  localparam FILL = $clog2(LANES) + 1;       // cycles from the step to that in which row 0 adds it
  localparam DEPTH = $clog2(LANES) + STAGES;  // ... the last row

  // Steps on their way. A row's factor waits as long as the lanes' values need to get to that row.
  logic [DEPTH:1] valid, first, last, set;
  logic [16*LANES*DEPTH-1:0] lanes;
  logic [16*STAGES*DEPTH-1:0] rows;
  always_ff @(posedge clk) begin
    if (step) begin
      lanes[0+:16*LANES] <= step_lanes;
      rows[0+:16*STAGES] <= step_rows;
    end
    for (int d = 1; d < DEPTH; d++) begin
      if (valid[d]) begin
        lanes[16*LANES*d+:16*LANES] <= lanes[16*LANES*(d-1)+:16*LANES];
        rows[16*STAGES*d+:16*STAGES] <= rows[16*STAGES*(d-1)+:16*STAGES];
      end
    end
    first <= {first[DEPTH-1:1], step_first};
    last <= {last[DEPTH-1:1], step_last};
    set <= {set[DEPTH-1:1], step_set};
    if (!rst_n || start) valid <= '0;
    else valid <= {valid[DEPTH-1:1], step};
  end
  assign working = valid != '0;
  assign ends = valid[DEPTH] && last[DEPTH];

  logic [VECTOR*STAGES-1:0] results0, results1;  // of either set
  genvar r;
  generate
    for (r = 0; r < STAGES; r++) begin : array
      localparam AT = FILL + r;
      systolic_row #(.LANES(LANES)) cells (
          .clk, .integers, .step(valid[AT]), .first(first[AT]), .set(set[AT]), .lanes(lanes[16*LANES*(AT-1)+:16*LANES]),
          .factor(rows[16*STAGES*(AT-1)+16*r+:16]), .result0(results0[VECTOR*r+:VECTOR]), .result1(results1[VECTOR*r+:VECTOR]));
    end
  endgenerate
  always_comb begin
    row = '0;
    for (int i = 0; i < STAGES; i++) begin
      if (32'(row_number) == i) row = row_set ? results1[VECTOR*i+:VECTOR] : results0[VECTOR*i+:VECTOR];
    end
  end
endmodule
