// A packet-switched network of a switch: its vector or its scalar one (models/fabric/switch/README.md).
//
// Queue q = p * FLOWS + f belongs to input port p and flow f. Outputs depend on registers alone.
module network #(
  parameter int IN = 21,
  parameter int OUT = 26,
  parameter int SIDES = 16,    // ports below lead to other switches, the others to units
  parameter int FLOWS = 8,
  parameter int DEPTH = 2,     // packets a queue
  parameter int DATA = 512,
  parameter int HEAD = 37,     // DYNAMIC: sequence id 16, COLUMN 8, ROW 8, PORT 5
  parameter int DYNAMIC = 1,   // 1: the last flow is routed by destination, and ports of units can join by sequence id
  parameter int SIDE = 4,      // ports of a side
  parameter int CHANNELS = 4   // ... that are there
) (
  input  logic                 clk,
  input  logic                 rst_n,
  input  logic                 start,
  /* verilator lint_off UNUSEDSIGNAL */       // of what is not there: destinations, ports
  input  logic [15:0]          here,         // own column, row; constant
  // configuration: a route, and what does not change
  input  logic                 route_write,
  input  logic [$clog2(IN*FLOWS)-1:0] route_queue,
  input  logic [OUT-1:0]       route_out,
  input  logic [$clog2(FLOWS)-1:0] route_next,
  input  logic [OUT-SIDES-1:0] by_sequence,
  input  logic [(IN-SIDES)*8-1:0] interval,
  // inputs
  input  logic [IN-1:0]        in_valid,
  input  logic [IN*DATA-1:0]   in_data,
  input  logic [IN*HEAD-1:0]   in_head,
  input  logic [IN*$clog2(FLOWS)-1:0] in_flow,
  output logic [IN*FLOWS-1:0]  in_credit,
  // outputs
  output logic [OUT-1:0]       out_valid,
  output logic [OUT*DATA-1:0]  out_data,
  output logic [OUT*HEAD-1:0]  out_head,
  output logic [OUT*$clog2(FLOWS)-1:0] out_flow,
  input  logic [OUT*FLOWS-1:0] out_credit,
  input  logic [OUT*FLOWS*16-1:0] out_init,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic                 idle
);
  localparam int USED = IN * FLOWS;
  localparam int QUEUES = (USED + 31) / 32 * 32;  // slices of words are what simulators like
  localparam int QW = $clog2(QUEUES);
  localparam int FW = $clog2(FLOWS);
  localparam int PW = DEPTH > 1 ? $clog2(DEPTH) : 1;

  logic [DATA-1:0] data [1 << (QW + PW)];  // by queue and place
  logic [QUEUES-1:0] filled;
  logic [QUEUES-1:0] gone;
  logic [OUT*QUEUES-1:0] waiting;
  logic [FLOWS*QUEUES-1:0] next_is;  // slice f: queues whose packets leave with flow id f
  logic [QUEUES*FW-1:0] next_flow;   // the same by queue
  logic [USED*HEAD-1:0] first;
  logic [USED*PW-1:0] read_place;
  /* verilator lint_off UNUSEDSIGNAL */  // of ports that are not there
  logic [IN*PW-1:0] write_place;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [QUEUES*16-1:0] sequences;
  logic [IN*5-1:0] ways;

  // ---- routes
  genvar b, i, o;
  generate
    for (b = 0; b < FLOWS; b++) begin : rename
      logic [QUEUES-1:0] is;
      assign next_is[b*QUEUES +: QUEUES] = is;
      always_ff @(posedge clk) begin
        if (!rst_n) is <= '0;
        else if (route_write) is[QW'(route_queue)] <= route_next == FW'(b);
      end
    end
  endgenerate
  always_ff @(posedge clk) begin
    if (!rst_n) next_flow <= '0;
    else if (route_write) next_flow[32'(route_queue)*FW +: FW] <= route_next;
  end

  // ---- inputs
  generate
    if (QUEUES != USED) begin : padding
      assign filled[QUEUES-1:USED] = '0;
    end
    for (i = 0; i < IN; i++) begin : port
      if (i >= SIDES || i % SIDE < CHANNELS) begin : present
        network_input #(.FLOWS(FLOWS), .DEPTH(DEPTH), .HEAD(HEAD)) queues (
          .clk, .rst_n, .start, .valid(in_valid[i]), .flow(in_flow[i*FW +: FW]), .head(in_head[i*HEAD +: HEAD]),
          .gone(gone[i*FLOWS +: FLOWS]), .filled(filled[i*FLOWS +: FLOWS]), .first(first[i*FLOWS*HEAD +: FLOWS*HEAD]),
          .read_place(read_place[i*FLOWS*PW +: FLOWS*PW]), .write_place(write_place[i*PW +: PW]));
        wire [QW+PW-1:0] write_address = {QW'(i*FLOWS) + QW'(in_flow[i*FW +: FW]), write_place[i*PW +: PW]};
        always_ff @(posedge clk) begin
          if (in_valid[i]) data[write_address] <= in_data[i*DATA +: DATA];
        end
      end else begin : absent
        assign filled[i*FLOWS +: FLOWS] = '0;
        assign first[i*FLOWS*HEAD +: FLOWS*HEAD] = '0;
        assign read_place[i*FLOWS*PW +: FLOWS*PW] = '0;
        assign write_place[i*PW +: PW] = '0;
      end
    end
    if (DYNAMIC != 0) begin : heads
      // Columns first (east, west), then rows (north, south), then the unit's port.
      function automatic logic [4:0] way(input logic [20:0] to, input logic [15:0] own);
        if (to[7:0] != own[7:0]) way = 5'(to[7:0] > own[7:0] ? SIDE : 3 * SIDE);
        else if (to[15:8] != own[15:8]) way = 5'(to[15:8] < own[15:8] ? 0 : 2 * SIDE);
        else way = to[20:16];
      endfunction
      for (i = 0; i < IN; i++) begin : dynamic_flow
        assign ways[i*5 +: 5] = way(first[(i*FLOWS + FLOWS-1) * HEAD + 16 +: 21], here);
      end
      for (i = 0; i < QUEUES; i++) begin : join_flow
        if (i < USED) begin : used
          assign sequences[i*16 +: 16] = first[i*HEAD +: 16];
        end else begin : unused
          assign sequences[i*16 +: 16] = '0;
        end
      end
    end else begin : no_heads
      assign ways = '0;
      assign sequences = '0;
    end
  endgenerate

  // ---- outputs
  generate
    for (o = 0; o < OUT; o++) begin : to
      if (o >= SIDES || o % SIDE < CHANNELS) begin : present
        logic [QW-1:0] from;
        logic joins;
        if (o >= SIDES) begin : unit
          assign joins = by_sequence[o - SIDES];
        end else begin : side
          assign joins = 1'b0;
        end
        wire [FW-1:0] flow = next_flow[32'(from)*FW +: FW];
        wire [QW+PW-1:0] read_address = {from, read_place[32'(from)*PW +: PW]};
        network_output #(.IN(IN), .FLOWS(FLOWS), .QUEUES(QUEUES), .UNIT(o >= SIDES ? 1 : 0), .DYNAMIC(DYNAMIC)) arbiter (
          .clk, .rst_n, .start, .number(5'(o)), .by_sequence(joins), .ways, .sequences, .next_is, .credit(out_credit[o*FLOWS +: FLOWS]),
          .init(out_init[o*FLOWS*16 +: FLOWS*16]), .route_write, .route_queue(QW'(route_queue)), .route_bit(route_out[o]),
          .filled, .gone, .waiting(waiting[o*QUEUES +: QUEUES]), .valid(out_valid[o]), .from, .flow);
        always_comb begin
          out_data[o*DATA +: DATA] = '0;
          out_head[o*HEAD +: HEAD] = '0;
          out_flow[o*FW +: FW] = '0;
          if (out_valid[o]) begin
            out_data[o*DATA +: DATA] = data[read_address];
            out_head[o*HEAD +: HEAD] = first[32'(from)*HEAD +: HEAD];
            out_flow[o*FW +: FW] = flow;
          end
        end
      end else begin : absent
        assign out_valid[o] = 1'b0;
        assign out_data[o*DATA +: DATA] = '0;
        assign out_head[o*HEAD +: HEAD] = '0;
        assign out_flow[o*FW +: FW] = '0;
        assign waiting[o*QUEUES +: QUEUES] = '0;
      end
    end
  endgenerate

  // A packet leaves its queue when no output waits for it.
  always_comb begin
    gone = filled;
    for (int j = 0; j < OUT; j++) gone = gone & ~waiting[j*QUEUES +: QUEUES];
  end

  // ---- credits of inputs
  logic [IN-SIDES-1:0] owing;
  assign in_credit[SIDES*FLOWS-1:0] = gone[SIDES*FLOWS-1:0];
  generate
    for (i = SIDES; i < IN; i++) begin : unit_credit
      network_throttle #(.FLOWS(FLOWS), .DEPTH(DEPTH)) throttle (
        .clk, .rst_n, .start, .interval(interval[(i-SIDES)*8 +: 8]), .valid(in_valid[i]), .flow(in_flow[i*FW +: FW]),
        .gone(gone[i*FLOWS +: FLOWS]), .credit(in_credit[i*FLOWS +: FLOWS]), .owing(owing[i-SIDES]));
    end
  endgenerate

  assign idle = filled == '0 && owing == '0;
endmodule
