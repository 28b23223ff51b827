// A second switch of the dataflow network, from its page (models/fabric/switch/README.md) alone, behind the same port list as
// rtl/switch.sv: another team's design, for the ways in which one is held against the model.
`include "switch.svh"

module list_switch #(
  parameter int DEPTH = 2,
  parameter int SCALAR_DEPTH = 4
) (
  input  logic        clk,
  input  logic        rst_n,
  input  logic [15:0] here,
  input  logic        cfg_valid,
  input  logic [9:0]  cfg_word,
  input  logic [31:0] cfg_data,
  input  logic        start,
  output logic        idle,
  output logic        done,
  input  logic [20:0] in_valid,
  input  logic [21*512-1:0] in_data,
  input  logic [21*40-1:0] in_head,
  output logic [21*8-1:0] in_credit,
  output logic [25:0] out_valid,
  output logic [26*512-1:0] out_data,
  output logic [26*40-1:0] out_head,
  input  logic [26*8-1:0] out_credit,
  input  logic [26*8*16-1:0] out_init,
  input  logic [10:0] sin_valid,
  input  logic [11*32-1:0] sin_data,
  input  logic [11*2-1:0] sin_flow,
  output logic [11*4-1:0] sin_credit,
  output logic [13:0] sout_valid,
  output logic [14*32-1:0] sout_data,
  output logic [14*2-1:0] sout_flow,
  input  logic [14*4-1:0] sout_credit,
  input  logic [14*4*16-1:0] sout_init,
  input  logic [21:0] tok_in,
  output logic [27:0] tok_out
);
  // ---- configuration: the words of routes go to the networks; the others lie here
  logic [27:0] wires [SWITCH_CONTROL_COUNT];
  logic [SWITCH_JOIN_COUNT-1:0] joins;
  logic [SWITCH_THROTTLE_COUNT*8-1:0] interval;
  wire [31:0] at = {20'b0, cfg_word, 2'b00};
  wire is_route = cfg_valid && at - SWITCH_ROUTE_OFFSET < 4 * SWITCH_ROUTE_COUNT;
  wire is_scalar = cfg_valid && at - SWITCH_SCALAR_OFFSET < 4 * SWITCH_SCALAR_COUNT;
  wire is_control = cfg_valid && at - SWITCH_CONTROL_OFFSET < 4 * SWITCH_CONTROL_COUNT;
  wire is_join = cfg_valid && at - SWITCH_JOIN_OFFSET < 4 * SWITCH_JOIN_COUNT;
  wire is_throttle = cfg_valid && at - SWITCH_THROTTLE_OFFSET < 4 * SWITCH_THROTTLE_COUNT;
  /* verilator lint_off UNUSEDSIGNAL */
  wire [31:0] route = (at - SWITCH_ROUTE_OFFSET) >> 2;
  wire [31:0] scalar_route = (at - SWITCH_SCALAR_OFFSET) >> 2;
  wire [31:0] wire_number = (at - SWITCH_CONTROL_OFFSET) >> 2;
  wire [31:0] join_number = (at - SWITCH_JOIN_OFFSET) >> 2;
  wire [31:0] throttle_number = (at - SWITCH_THROTTLE_OFFSET) >> 2;
  /* verilator lint_on UNUSEDSIGNAL */
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      joins <= '0;
      interval <= '0;
      for (int w = 0; w < SWITCH_CONTROL_COUNT; w++) wires[w] <= '0;
    end else begin
      if (is_control) wires[wire_number[4:0]] <= cfg_data[27:0];
      if (is_join) joins[join_number[3:0]] <= cfg_data[SWITCH_JOIN_ENABLE_LSB];
      if (is_throttle) interval[throttle_number[2:0]*8 +: 8] <= cfg_data[SWITCH_THROTTLE_INTERVAL_LSB +: 8];
    end
  end

  logic [15:0] place;
  always_ff @(posedge clk) if (start) place <= here;

  // ---- vectors
  logic [21*37-1:0] heads_in;
  logic [21*3-1:0] flows_in;
  logic [26*37-1:0] heads_out;
  logic [26*3-1:0] flows_out;
  logic vectors_quiet, scalars_quiet;
  always_comb begin
    for (int p = 0; p < 21; p++) {flows_in[p*3 +: 3], heads_in[p*37 +: 37]} = in_head[p*40 +: 40];
    for (int o = 0; o < 26; o++) out_head[o*40 +: 40] = {flows_out[o*3 +: 3], heads_out[o*37 +: 37]};
  end
  list_network #(.DEPTH(DEPTH)) vectors (
    .clk, .rst_n, .start, .here(place), .route_write(is_route), .route_queue(route[7:0]), .route_out(cfg_data[SWITCH_ROUTE_OUT_LSB +: 26]),
    .route_next(cfg_data[SWITCH_ROUTE_NEXT_FLOW_LSB +: 3]), .joins, .interval, .in_valid, .in_data, .in_head(heads_in), .in_flow(flows_in),
    .in_credit, .out_valid, .out_data, .out_head(heads_out), .out_flow(flows_out), .out_credit, .out_init, .quiet(vectors_quiet));

  // ---- scalars
  /* verilator lint_off PINCONNECTEMPTY */
  list_network #(.IN(11), .OUT(14), .SIDES(8), .FLOWS(4), .DEPTH(SCALAR_DEPTH), .DATA(32), .HEAD(1), .DYNAMIC(0), .SIDE(2)) scalars (
    .clk, .rst_n, .start, .here(place), .route_write(is_scalar), .route_queue(scalar_route[5:0]),
    .route_out(cfg_data[SWITCH_SCALAR_OUT_LSB +: 14]), .route_next(cfg_data[SWITCH_SCALAR_NEXT_FLOW_LSB +: 2]), .joins('0), .interval('0),
    .in_valid(sin_valid), .in_data(sin_data), .in_head('0), .in_flow(sin_flow), .in_credit(sin_credit), .out_valid(sout_valid),
    .out_data(sout_data), .out_head(), .out_flow(sout_flow), .out_credit(sout_credit), .out_init(sout_init), .quiet(scalars_quiet));
  /* verilator lint_on PINCONNECTEMPTY */

  // ---- tokens
  always_ff @(posedge clk) begin
    tok_out <= '0;
    if (rst_n && !start) begin
      for (int w = 0; w < 28; w++) begin
        for (int i = 0; i < SWITCH_CONTROL_COUNT; i++) begin
          if (tok_in[i] && wires[i][w]) tok_out[w] <= 1'b1;
        end
      end
    end
  end

  assign done = vectors_quiet && scalars_quiet && tok_out == '0;
  assign idle = done;
endmodule
