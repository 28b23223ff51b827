// A switch of the dataflow network: models/fabric/switch/README.md specifies it, pins and parameters included.
`include "switch.svh"

module switch #(
  parameter int DEPTH = 2,          // packets that a flow's queue holds
  parameter int SCALAR_DEPTH = 4,   // words
  parameter int CHANNELS = 4,       // vector channels a side, 1 to 4
  parameter int PACKET_BITS = 512,
  parameter int CHECK = 0           // 1: the pins are held to their rules, in simulation
) (
  input  logic        clk,
  input  logic        rst_n,
  input  logic [15:0] here,         // own place: column, row
  input  logic        cfg_valid,
  input  logic [9:0]  cfg_word,
  input  logic [31:0] cfg_data,
  input  logic        start,
  output logic        idle,
  output logic        done,
  // vectors
  input  logic [20:0] in_valid,
  input  logic [21*PACKET_BITS-1:0] in_data,
  input  logic [21*40-1:0] in_head,
  output logic [21*8-1:0] in_credit,
  output logic [25:0] out_valid,
  output logic [26*PACKET_BITS-1:0] out_data,
  output logic [26*40-1:0] out_head,
  input  logic [26*8-1:0] out_credit,
  input  logic [26*8*16-1:0] out_init,
  // scalars
  input  logic [10:0] sin_valid,
  input  logic [11*32-1:0] sin_data,
  input  logic [11*2-1:0] sin_flow,
  output logic [11*4-1:0] sin_credit,
  output logic [13:0] sout_valid,
  output logic [14*32-1:0] sout_data,
  output logic [14*2-1:0] sout_flow,
  input  logic [14*4-1:0] sout_credit,
  input  logic [14*4*16-1:0] sout_init,
  // tokens
  input  logic [21:0] tok_in,
  output logic [27:0] tok_out
);
  localparam int IN = 21;
  localparam int OUT = 26;
  localparam int FLOWS = 8;
  localparam int SCALAR_IN = 11;
  localparam int SCALAR_OUT = 14;
  localparam int SCALAR_FLOWS = 4;
  localparam int HEAD = 37;  // sequence id and destination; the flow id is the queue's number

  // ---- configuration words
  logic [SWITCH_CONTROL_COUNT*28-1:0] control;
  logic [SWITCH_JOIN_COUNT-1:0] join_enable;
  logic [SWITCH_THROTTLE_COUNT*8-1:0] interval;

  localparam logic [9:0] ROUTES = 10'(SWITCH_ROUTE_OFFSET / 4);
  localparam logic [9:0] SCALAR_ROUTES = 10'(SWITCH_SCALAR_OFFSET / 4);
  wire [9:0] route_queue = cfg_word - ROUTES;
  wire [9:0] scalar_queue = cfg_word - SCALAR_ROUTES;
  wire route_write = cfg_valid && route_queue < 10'(SWITCH_ROUTE_COUNT);
  wire scalar_write = cfg_valid && scalar_queue < 10'(SWITCH_SCALAR_COUNT);

  // The word is the n-th of an array.
  function automatic logic is_word(input logic [9:0] word, input logic [31:0] offset, input int n);
    is_word = {20'b0, word, 2'b0} == offset + 32'(4 * n);
  endfunction

  genvar o, w;
  generate
    for (w = 0; w < SWITCH_CONTROL_COUNT; w++) begin : wires
      always_ff @(posedge clk) begin
        if (!rst_n) control[w*28 +: 28] <= '0;
        else if (cfg_valid && is_word(cfg_word, SWITCH_CONTROL_OFFSET, w)) control[w*28 +: 28] <= cfg_data[27:0];
      end
    end
    for (w = 0; w < SWITCH_JOIN_COUNT; w++) begin : joins
      always_ff @(posedge clk) begin
        if (!rst_n) join_enable[w] <= 1'b0;
        else if (cfg_valid && is_word(cfg_word, SWITCH_JOIN_OFFSET, w)) join_enable[w] <= cfg_data[SWITCH_JOIN_ENABLE_LSB];
      end
    end
    for (w = 0; w < SWITCH_THROTTLE_COUNT; w++) begin : throttles
      always_ff @(posedge clk) begin
        if (!rst_n) interval[w*8 +: 8] <= '0;
        else if (cfg_valid && is_word(cfg_word, SWITCH_THROTTLE_OFFSET, w)) interval[w*8 +: 8] <= cfg_data[SWITCH_THROTTLE_INTERVAL_LSB +: 8];
      end
    end
  endgenerate

  // Own place, as the vector network sees it: outputs depend on registers alone.
  logic [15:0] place;
  always_ff @(posedge clk) begin
    if (start) place <= here;
  end

  // ---- vectors
  logic [IN*HEAD-1:0] in_way;
  logic [IN*3-1:0] in_flow;
  logic [OUT*HEAD-1:0] out_way;
  logic [OUT*3-1:0] out_flow;
  logic vectors_idle;
  generate
    for (o = 0; o < IN; o++) begin : split
      assign {in_flow[o*3 +: 3], in_way[o*HEAD +: HEAD]} = in_head[o*40 +: 40];
    end
    for (o = 0; o < OUT; o++) begin : unite
      assign out_head[o*40 +: 40] = {out_flow[o*3 +: 3], out_way[o*HEAD +: HEAD]};
    end
  endgenerate
  network #(.IN(IN), .OUT(OUT), .SIDES(16), .FLOWS(FLOWS), .DEPTH(DEPTH), .DATA(PACKET_BITS), .HEAD(HEAD), .DYNAMIC(1),
            .SIDE(4), .CHANNELS(CHANNELS)) vectors (
    .clk, .rst_n, .start, .here(place), .route_write, .route_queue(route_queue[7:0]), .route_out(cfg_data[SWITCH_ROUTE_OUT_LSB +: OUT]),
    // The dynamic flow keeps its id.
    .route_next(route_queue[2:0] == 3'd7 ? 3'd7 : cfg_data[SWITCH_ROUTE_NEXT_FLOW_LSB +: 3]),
    .by_sequence(join_enable), .interval, .in_valid, .in_data, .in_head(in_way), .in_flow, .in_credit, .out_valid, .out_data, .out_head(out_way), .out_flow, .out_credit, .out_init, .idle(vectors_idle));

  // ---- scalars
  logic scalars_idle;
  /* verilator lint_off PINCONNECTEMPTY */
  network #(.IN(SCALAR_IN), .OUT(SCALAR_OUT), .SIDES(8), .FLOWS(SCALAR_FLOWS), .DEPTH(SCALAR_DEPTH), .DATA(32), .HEAD(1), .DYNAMIC(0),
            .SIDE(2), .CHANNELS(2)) scalars (
    .clk, .rst_n, .start, .here(place), .route_write(scalar_write), .route_queue(scalar_queue[5:0]),
    .route_out(cfg_data[SWITCH_SCALAR_OUT_LSB +: SCALAR_OUT]), .route_next(cfg_data[SWITCH_SCALAR_NEXT_FLOW_LSB +: 2]), .by_sequence('0), .interval('0),
    .in_valid(sin_valid), .in_data(sin_data), .in_head('0), .in_flow(sin_flow), .in_credit(sin_credit), .out_valid(sout_valid),
    .out_data(sout_data), .out_head(), .out_flow(sout_flow), .out_credit(sout_credit), .out_init(sout_init), .idle(scalars_idle));
  /* verilator lint_on PINCONNECTEMPTY */

  // ---- tokens
  logic [27:0] driven;
  always_comb begin
    driven = '0;
    for (int i = 0; i < SWITCH_CONTROL_COUNT; i++) driven = driven | (control[i*28 +: 28] & {28{tok_in[i]}});
  end
  always_ff @(posedge clk) begin
    if (!rst_n || start) tok_out <= '0;
    else tok_out <= driven;
  end

  generate
    if (CHECK != 0) begin : check
      logic [IN*8-1:0] flow_in;
      logic [OUT*8-1:0] flow_out;
      logic [SCALAR_IN*8-1:0] scalar_flow_in;
      logic [SCALAR_OUT*8-1:0] scalar_flow_out;
      for (o = 0; o < IN; o++) begin : ins
        assign flow_in[o*8 +: 8] = {5'b0, in_flow[o*3 +: 3]};
      end
      for (o = 0; o < OUT; o++) begin : outs
        assign flow_out[o*8 +: 8] = {5'b0, out_flow[o*3 +: 3]};
      end
      for (o = 0; o < SCALAR_IN; o++) begin : scalar_ins
        assign scalar_flow_in[o*8 +: 8] = {6'b0, sin_flow[o*2 +: 2]};
      end
      for (o = 0; o < SCALAR_OUT; o++) begin : scalar_outs
        assign scalar_flow_out[o*8 +: 8] = {6'b0, sout_flow[o*2 +: 2]};
      end
      port_check #(.PORT("vector input"), .PORTS(IN), .FLOWS(FLOWS), .BITS(PACKET_BITS)) vector_inputs (
        .clk, .rst_n, .start, .capacity({IN*FLOWS{16'(DEPTH)}}), .valid(in_valid), .flow(flow_in), .packet(in_data), .credit(in_credit));
      port_check #(.PORT("vector output"), .PORTS(OUT), .FLOWS(FLOWS), .FIRST_MERGED(16), .BITS(PACKET_BITS)) vector_outputs (
        .clk, .rst_n, .start, .capacity(out_init), .valid(out_valid), .flow(flow_out), .packet(out_data), .credit(out_credit));
      port_check #(.PORT("scalar input"), .PORTS(SCALAR_IN), .FLOWS(SCALAR_FLOWS), .BITS(32)) scalar_inputs (
        .clk, .rst_n, .start, .capacity({SCALAR_IN*SCALAR_FLOWS{16'(SCALAR_DEPTH)}}), .valid(sin_valid), .flow(scalar_flow_in),
        .packet(sin_data), .credit(sin_credit));
      port_check #(.PORT("scalar output"), .PORTS(SCALAR_OUT), .FLOWS(SCALAR_FLOWS), .FIRST_MERGED(8), .BITS(32)) scalar_outputs (
        .clk, .rst_n, .start, .capacity(sout_init), .valid(sout_valid), .flow(scalar_flow_out), .packet(sout_data), .credit(sout_credit));
    end
  endgenerate

  assign idle = vectors_idle && scalars_idle && tok_out == '0;
  assign done = idle;
endmodule
