// A small network with checks on its pins, for misdriven.cpp: a port of each side, a unit with one output and two inputs, and
// one route: flow 0 of the west goes east.
module checked (
  input  logic        clk,
  input  logic        rst_n,
  input  logic        configure,
  input  logic        start,
  input  logic [4:0]  in_valid,
  input  logic [9:0]  in_flow,
  input  logic [39:0] in_data,
  output logic [19:0] in_credit,
  output logic [5:0]  out_valid,
  output logic [47:0] out_data,
  input  logic [23:0] out_credit,
  input  logic [24*16-1:0] out_init,
  output logic        idle
);
  localparam int DEPTH = 2;
  localparam int WEST = 3;
  localparam int EAST = 1;

  logic [11:0] out_flow;
  /* verilator lint_off PINCONNECTEMPTY */
  network #(.IN(5), .OUT(6), .SIDES(4), .FLOWS(4), .DEPTH(DEPTH), .DATA(8), .HEAD(1), .DYNAMIC(0), .SIDE(1), .CHANNELS(1)) network (
    .clk, .rst_n, .start, .here('0), .route_write(configure), .route_queue(5'(WEST * 4)), .route_out(6'(1 << EAST)), .route_next('0),
    .by_sequence('0), .interval('0), .in_valid, .in_data, .in_head('0), .in_flow, .in_credit, .out_valid, .out_data, .out_head(), .out_flow,
    .out_credit, .out_init, .idle);
  /* verilator lint_on PINCONNECTEMPTY */

  logic [39:0] flow_in;
  logic [47:0] flow_out;
  genvar i;
  generate
    for (i = 0; i < 5; i++) begin : ins
      assign flow_in[i*8 +: 8] = {6'b0, in_flow[i*2 +: 2]};
    end
    for (i = 0; i < 6; i++) begin : outs
      assign flow_out[i*8 +: 8] = {6'b0, out_flow[i*2 +: 2]};
    end
  endgenerate
  port_check #(.PORT("input"), .PORTS(5), .FLOWS(4), .BITS(8)) inputs (
    .clk, .rst_n, .start, .capacity({20{16'(DEPTH)}}), .valid(in_valid), .flow(flow_in), .packet(in_data), .credit(in_credit));
  port_check #(.PORT("output"), .PORTS(6), .FLOWS(4), .FIRST_MERGED(4), .BITS(8)) outputs (
    .clk, .rst_n, .start, .capacity(out_init), .valid(out_valid), .flow(flow_out), .packet(out_data), .credit(out_credit));
endmodule
