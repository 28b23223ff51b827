// An output port of a network: which queues lead here, which have credits, whose turn it is.
//
// What is known or decided about queues is a vector of one bit a queue. No number of this port is a parameter: all ports of a
// kind are one module, which simulators compile once.
module network_output #(
  parameter int IN = 21,
  parameter int FLOWS = 8,
  parameter int QUEUES = 192,   // at least IN * FLOWS; the rest stays empty
  parameter int UNIT = 0,       // 1: of a unit, one queue behind it; 0: of another switch, one a flow
  parameter int DYNAMIC = 1     // 1: the last flow is routed by destination; ports of units can join
) (
  input  logic                 clk,
  input  logic                 rst_n,
  input  logic                 start,
  /* verilator lint_off UNUSEDSIGNAL */       // not every kind of port looks at everything
  input  logic [4:0]           number,       // of this port; constant
  input  logic                 by_sequence,
  input  logic [IN*5-1:0]      ways,         // output to which the first packet of the dynamic flow of each input leads
  input  logic [QUEUES*16-1:0] sequences,    // of first packets
  input  logic [FLOWS*QUEUES-1:0] next_is,   // slice f: queues whose packets leave with flow id f
  input  logic [FLOWS-1:0]     credit,
  input  logic [FLOWS*16-1:0]  init,
  /* verilator lint_on UNUSEDSIGNAL */
  // configuration
  input  logic                 route_write,
  input  logic [$clog2(QUEUES)-1:0] route_queue,
  input  logic                 route_bit,    // the queue leads here
  // queues
  input  logic [QUEUES-1:0]    filled,
  input  logic [QUEUES-1:0]    gone,         // their first packets leave
  output logic [QUEUES-1:0]    waiting,      // their first packets have to come here, and do not in this cycle
  output logic                 valid,
  output logic [$clog2(QUEUES)-1:0] from,    // the queue whose first packet comes
  input  logic [$clog2(FLOWS)-1:0] flow      // with which flow id
);
  /*verilator no_inline_module*/
  localparam int FW = $clog2(FLOWS);
  localparam int QW = $clog2(QUEUES);

  logic [QUEUES-1:0] route;
  logic [QUEUES-1:0] leads;
  logic [QUEUES-1:0] sent;      // first packets that have been here
  logic [QUEUES-1:0] credited;
  logic [QUEUES-1:0] in_order;
  logic [QUEUES-1:0] turn;      // from the round-robin pointer on
  /* verilator lint_off UNUSEDSIGNAL */  // of a unit's port the first alone
  logic [FLOWS-1:0] has_credit;
  /* verilator lint_on UNUSEDSIGNAL */

  // Queues whose number has bit b.
  function automatic logic [QUEUES-1:0] having(input int b);
    for (int q = 0; q < QUEUES; q++) having[q] = ((q >> b) & 1) != 0;
  endfunction

  always_ff @(posedge clk) begin
    if (!rst_n) route <= '0;
    else if (route_write) route[route_queue] <= route_bit;
  end

  // ---- who wants to come
  generate
    if (DYNAMIC != 0) begin : by_destination
      always_comb begin
        leads = route;
        for (int p = 0; p < IN; p++) leads[p*FLOWS + FLOWS-1] = ways[p*5 +: 5] == number;
      end
    end else begin : static_only
      assign leads = route;
    end

    if (UNIT != 0) begin : one_queue
      assign credited = {QUEUES{has_credit[0]}};
    end else begin : queue_a_flow
      always_comb begin
        credited = '0;
        for (int f = 0; f < FLOWS; f++) credited = credited | (next_is[f*QUEUES +: QUEUES] & {QUEUES{has_credit[f]}});
      end
    end

    if (UNIT != 0 && DYNAMIC != 0) begin : joining
      logic [15:0] expected;
      always_comb begin
        in_order = '1;
        if (by_sequence) begin
          for (int q = 0; q < QUEUES; q++) in_order[q] = sequences[q*16 +: 16] == expected;
        end
      end
      always_ff @(posedge clk) begin
        if (!rst_n || start) expected <= '0;
        else if (valid) expected <= expected + 1'b1;
      end
    end else begin : any_order
      assign in_order = '1;
    end
  endgenerate

  // ---- who comes: the first from the pointer on, else the first
  wire [QUEUES-1:0] wants = filled & leads & ~sent;
  wire [QUEUES-1:0] candidates = wants & credited & in_order;
  wire [QUEUES-1:0] behind = candidates & turn;
  wire [QUEUES-1:0] choice = behind != '0 ? behind : candidates;
  wire [QUEUES-1:0] winner = choice & (~choice + 1'b1);

  assign valid = candidates != '0;
  assign waiting = wants & ~winner;

  genvar b;
  generate
    for (b = 0; b < QW; b++) begin : encode
      localparam logic [QUEUES-1:0] MASK = having(b);
      assign from[b] = |(winner & MASK);
    end
  endgenerate

  always_ff @(posedge clk) begin
    if (!rst_n || start) begin
      sent <= '0;
      turn <= '1;
    end else begin
      sent <= (sent | winner) & ~gone;
      if (valid) turn <= ~(winner | (winner - 1'b1));
    end
  end

  // ---- credits
  generate
    for (b = 0; b < FLOWS; b++) begin : credit_of
      if (UNIT == 0 || b == 0) begin : counted
        logic [15:0] credits;
        wire spent = valid && (UNIT != 0 || flow == FW'(b));
        assign has_credit[b] = credits != '0;
        always_ff @(posedge clk) begin
          if (!rst_n) credits <= '0;
          else if (start) credits <= init[b*16 +: 16];
          else credits <= credits - 16'(spent) + 16'(credit[b]);
        end
      end else begin : unused
        assign has_credit[b] = 1'b0;
      end
    end
  endgenerate
endmodule
