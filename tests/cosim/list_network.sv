// A packet-switched network of a switch, made otherwise than rtl/network.sv: all packets lie in one memory, a queue is a list in
// it, and one matrix of requests serves all outputs.
module list_network #(
  parameter int IN = 21,
  parameter int OUT = 26,
  parameter int SIDES = 16,    // ports below lead to other switches
  parameter int FLOWS = 8,
  parameter int DEPTH = 2,
  parameter int DATA = 512,
  parameter int HEAD = 37,     // a packet's head without its flow id
  parameter int DYNAMIC = 1,   // destinations, joins and throttles
  parameter int SIDE = 4       // channels a side that are encoded
) (
  input  logic clk,
  input  logic rst_n,
  input  logic start,
  /* verilator lint_off UNUSEDSIGNAL */  // a network without DYNAMIC looks at less
  input  logic [15:0] here,
  input  logic route_write,
  input  logic [$clog2(IN*FLOWS)-1:0] route_queue,
  input  logic [OUT-1:0] route_out,
  input  logic [$clog2(FLOWS)-1:0] route_next,
  input  logic [OUT-SIDES-1:0] joins,
  input  logic [(IN-SIDES)*8-1:0] interval,
  input  logic [IN-1:0] in_valid,
  input  logic [IN*DATA-1:0] in_data,
  input  logic [IN*HEAD-1:0] in_head,
  input  logic [IN*$clog2(FLOWS)-1:0] in_flow,
  output logic [IN*FLOWS-1:0] in_credit,
  output logic [OUT-1:0] out_valid,
  output logic [OUT*DATA-1:0] out_data,
  output logic [OUT*HEAD-1:0] out_head,
  output logic [OUT*$clog2(FLOWS)-1:0] out_flow,
  input  logic [OUT*FLOWS-1:0] out_credit,
  input  logic [OUT*FLOWS*16-1:0] out_init,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic quiet           // nothing is inside, and no credit is owed
);
  localparam int QUEUES = IN * FLOWS;
  localparam int SLOTS = QUEUES * DEPTH;
  localparam int QW = $clog2(QUEUES);
  localparam int SW = $clog2(SLOTS);
  localparam int FW = $clog2(FLOWS);
  localparam int CW = $clog2(DEPTH + 1);
  localparam int UNITS = IN - SIDES;
  localparam int ENDS = OUT - SIDES;

  // ---- the memory, and the lists in it
  logic [DATA-1:0] stored [SLOTS];
  logic [HEAD-1:0] stored_head [SLOTS];
  logic [SW-1:0] behind [SLOTS];        // the packet that follows in the same list
  logic [SLOTS-1:0] used;
  logic [QUEUES*SW-1:0] oldest;
  logic [QUEUES*SW-1:0] newest;
  logic [QUEUES*CW-1:0] length;
  logic [QUEUES*OUT-1:0] unsent;        // outputs to which the oldest has not gone
  logic [QUEUES-1:0] filled;

  logic [OUT-1:0] routes [QUEUES];
  logic [FW-1:0] renamed [QUEUES];
  logic [OUT*FLOWS*16-1:0] credits;
  logic [OUT*QW-1:0] pointer;           // where the search begins
  logic [ENDS*16-1:0] expected;         // the next sequence id, where packets are joined

  always_ff @(posedge clk) begin
    if (route_write) begin
      routes[route_queue] <= route_out;
      renamed[route_queue] <= route_next;
    end
  end

  function automatic logic is_dynamic(input int queue);
    is_dynamic = DYNAMIC != 0 && queue % FLOWS == FLOWS - 1;
  endfunction

  // Columns first, then rows, then the unit.
  function automatic logic [4:0] port_to(input logic [20:0] to, input logic [15:0] own);
    if (to[7:0] > own[7:0]) port_to = 5'(SIDE);
    else if (to[7:0] < own[7:0]) port_to = 5'(3 * SIDE);
    else if (to[15:8] < own[15:8]) port_to = 5'd0;
    else if (to[15:8] > own[15:8]) port_to = 5'(2 * SIDE);
    else port_to = to[20:16];
  endfunction

  // ---- who goes where: a row of the matrix an output, searched from its pointer on
  logic [OUT*QW-1:0] winner;
  logic [OUT*FW-1:0] leaves_as;
  always_comb begin
    logic [QW-1:0] q;
    logic [FW-1:0] flow;
    out_valid = '0;
    winner = '0;
    leaves_as = '0;
    q = '0;
    flow = '0;
    if (filled != '0) begin
      for (int o = 0; o < OUT; o++) begin
        q = pointer[o*QW +: QW];
        for (int k = 0; k < QUEUES; k++) begin
          if (!out_valid[o] && filled[q] && unsent[32'(q)*OUT + o]) begin
            flow = is_dynamic(32'(q)) ? FW'(FLOWS - 1) : renamed[q];
            if (credits[(o*FLOWS + (o < SIDES ? 32'(flow) : 0))*16 +: 16] != '0 &&
                (o < SIDES || !joins[o < SIDES ? 0 : o - SIDES] || stored_head[oldest[32'(q)*SW +: SW]][15 % HEAD:0] == expected[(o < SIDES ? 0 : o - SIDES)*16 +: 15 % HEAD + 1])) begin
              out_valid[o] = 1'b1;
              winner[o*QW +: QW] = q;
              leaves_as[o*FW +: FW] = flow;
            end
          end
          q = q == QW'(QUEUES - 1) ? '0 : q + 1'b1;
        end
      end
    end
  end

  always_comb begin
    logic [SW-1:0] from;
    from = '0;
    for (int o = 0; o < OUT; o++) begin
      from = oldest[32'(winner[o*QW +: QW])*SW +: SW];
      out_data[o*DATA +: DATA] = out_valid[o] ? stored[from] : '0;
      out_head[o*HEAD +: HEAD] = out_valid[o] ? stored_head[from] : '0;
      out_flow[o*FW +: FW] = leaves_as[o*FW +: FW];
    end
  end

  // ---- which packets have gone everywhere
  logic [QUEUES-1:0] leaves;
  logic [QUEUES*OUT-1:0] remain;
  always_comb begin
    leaves = '0;
    remain = unsent;
    for (int o = 0; o < OUT; o++) begin
      if (out_valid[o]) remain[32'(winner[o*QW +: QW])*OUT + o] = 1'b0;
    end
    for (int o = 0; o < OUT; o++) begin
      if (out_valid[o]) leaves[winner[o*QW +: QW]] = remain[32'(winner[o*QW +: QW])*OUT +: OUT] == '0;
    end
  end

  // ---- credits of producers; a throttled one has one at a time
  logic [UNITS*8-1:0] hold;
  logic [UNITS-1:0] given;
  logic [UNITS*CW-1:0] room;
  logic [UNITS*FW-1:0] last_flow;
  logic [UNITS-1:0] throttled, pays;
  logic [UNITS*CW-1:0] room_now;
  always_comb begin
    in_credit = leaves;
    room_now = room;
    pays = '0;
    throttled = '0;
    for (int n = 0; n < UNITS; n++) begin
      throttled[n] = interval[n*8 +: 8] > 8'd1;
      if (throttled[n]) begin
        for (int f = 0; f < FLOWS; f++) begin
          if (leaves[(SIDES + n)*FLOWS + f]) room_now[n*CW +: CW] = room_now[n*CW +: CW] + 1'b1;
        end
        in_credit[(SIDES + n)*FLOWS +: FLOWS] = '0;
        if (!given[n] && hold[n*8 +: 8] == '0 && room_now[n*CW +: CW] != '0) begin
          pays[n] = 1'b1;
          in_credit[(SIDES + n)*FLOWS + 32'(last_flow[n*FW +: FW])] = 1'b1;
        end
      end
    end
  end
  always_ff @(posedge clk) begin
    for (int n = 0; n < UNITS; n++) begin
      if (!rst_n || start) begin
        hold[n*8 +: 8] <= '0;
        given[n] <= 1'b1;
        room[n*CW +: CW] <= CW'(DEPTH - 1);
        last_flow[n*FW +: FW] <= '0;
      end else if (throttled[n]) begin
        room[n*CW +: CW] <= room_now[n*CW +: CW] - CW'(pays[n]);
        if (in_valid[SIDES + n]) begin
          given[n] <= 1'b0;
          hold[n*8 +: 8] <= interval[n*8 +: 8] - 8'd2;
          last_flow[n*FW +: FW] <= in_flow[(SIDES + n)*FW +: FW];
        end else begin
          if (pays[n]) given[n] <= 1'b1;
          if (hold[n*8 +: 8] != '0) hold[n*8 +: 8] <= hold[n*8 +: 8] - 8'd1;
        end
      end
    end
  end

  // ---- a place in the memory for each packet that comes
  logic [IN*SW-1:0] place;
  logic [SLOTS-1:0] taken;
  always_comb begin
    taken = '0;
    place = '0;
    for (int p = 0; p < IN; p++) begin
      if (in_valid[p]) begin
        for (int s = SLOTS - 1; s >= 0; s--) begin
          if (!used[s] && !taken[s]) place[p*SW +: SW] = SW'(s);
        end
        taken[place[p*SW +: SW]] = 1'b1;
      end
    end
  end

  localparam int TO = HEAD > 16 ? 16 : 0;  // destination in the head
  localparam int TO_BITS = HEAD > 16 ? 21 : 1;
  /* verilator lint_off UNUSEDSIGNAL */
  function automatic logic [OUT-1:0] goes_to(input int queue, input logic [HEAD-1:0] head, input logic [OUT-1:0] route, input logic [15:0] own);
  /* verilator lint_on UNUSEDSIGNAL */
    goes_to = is_dynamic(queue) ? OUT'(1) << port_to(21'(head[TO +: TO_BITS]), own) : route;
  endfunction

  always_ff @(posedge clk) begin
    logic [31:0] q;
    logic [SW-1:0] next;
    q = '0;
    next = '0;
    if (!rst_n || start) begin
      used <= '0;
      filled <= '0;
      length <= '0;
    end else begin
      // Those that have gone everywhere give way to what is behind them.
      for (int o = 0; o < OUT; o++) begin
        q = 32'(winner[o*QW +: QW]);
        if (out_valid[o]) begin
          unsent[q*OUT + o] <= 1'b0;
          if (leaves[q[QW-1:0]]) begin
            next = behind[oldest[q*SW +: SW]];
            used[oldest[q*SW +: SW]] <= 1'b0;
            oldest[q*SW +: SW] <= next;
            unsent[q*OUT +: OUT] <= goes_to(q, stored_head[next], routes[q[QW-1:0]], here);
            length[q*CW +: CW] <= length[q*CW +: CW] - 1'b1;
            filled[q[QW-1:0]] <= length[q*CW +: CW] != CW'(1);
          end
        end
      end
      // What comes stands first if nothing is left before it.
      for (int p = 0; p < IN; p++) begin
        q = p*FLOWS + 32'(in_flow[p*FW +: FW]);
        next = place[p*SW +: SW];
        if (in_valid[p]) begin
          stored[next] <= in_data[p*DATA +: DATA];
          stored_head[next] <= in_head[p*HEAD +: HEAD];
          used[next] <= 1'b1;
          newest[q*SW +: SW] <= next;
          filled[q[QW-1:0]] <= 1'b1;
          length[q*CW +: CW] <= length[q*CW +: CW] + CW'(!leaves[q[QW-1:0]]);
          if (length[q*CW +: CW] == CW'(leaves[q[QW-1:0]])) begin
            oldest[q*SW +: SW] <= next;
            unsent[q*OUT +: OUT] <= goes_to(q, in_head[p*HEAD +: HEAD], routes[q[QW-1:0]], here);
          end else begin
            behind[newest[q*SW +: SW]] <= next;
          end
        end
      end
    end
  end

  // ---- outputs
  always_ff @(posedge clk) begin
    for (int o = 0; o < OUT; o++) begin
      if (!rst_n || start) begin
        pointer[o*QW +: QW] <= '0;
      end else if (out_valid[o]) begin
        pointer[o*QW +: QW] <= winner[o*QW +: QW] == QW'(QUEUES - 1) ? '0 : winner[o*QW +: QW] + 1'b1;
      end
      for (int f = 0; f < FLOWS; f++) begin
        if (start) credits[(o*FLOWS + f)*16 +: 16] <= out_init[(o*FLOWS + f)*16 +: 16];
        else credits[(o*FLOWS + f)*16 +: 16] <= credits[(o*FLOWS + f)*16 +: 16] + 16'(out_credit[o*FLOWS + f]) -
                                     16'(out_valid[o] && f == (o < SIDES ? 32'(leaves_as[o*FW +: FW]) : 0));
      end
    end
    for (int e = 0; e < ENDS; e++) begin
      if (!rst_n || start) expected[e*16 +: 16] <= '0;
      else if (out_valid[SIDES + e]) expected[e*16 +: 16] <= expected[e*16 +: 16] + 16'd1;
    end
  end

  assign quiet = filled == '0 && (given | ~throttled) == '1;
endmodule
