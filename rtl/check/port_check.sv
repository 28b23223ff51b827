// Holds the packets or words of a unit's ports to the rules of credits, in simulation. It ends the simulation with unit, port, flow
// and cycle (0: the first after `start`) at
//   - a packet without a credit,
//   - a credit that returns more than is out,
//   - a valid, credit, flow or valid packet that is not 0 or 1 after reset (simulators of four states).
// It looks at either end: those of a unit's outputs, where `capacity` is what the unit got at the start, or those of its inputs,
// where it is the depth of the queues.
module port_check #(
  parameter PORT = "output",   // what messages call a port
  parameter int PORTS = 1,
  parameter int FLOWS = 1,
  parameter int FIRST_MERGED = PORTS,  // ports from here on have one queue, counted on flow 0
  parameter int BITS = 512     // of a packet
) (
  input logic                       clk,
  input logic                       rst_n,
  input logic                       start,
  input logic [PORTS*FLOWS*16-1:0]  capacity,  // at `start`
  input logic [PORTS-1:0]           valid,
  input logic [PORTS*8-1:0]         flow,
  input logic [PORTS*BITS-1:0]      packet,
  input logic [PORTS*FLOWS-1:0]     credit
);
  logic running;
  logic [63:0] cycle;
  logic [PORTS*FLOWS*16-1:0] limit;  // capacity at the start
  logic [PORTS*FLOWS*16-1:0] out;    // packets that have not been credited

  function automatic int slot(input int port, input logic [7:0] of_flow);
    slot = port * FLOWS + (port < FIRST_MERGED ? 32'(of_flow) % FLOWS : 0);
  endfunction

  always_ff @(posedge clk) begin
    cycle <= start ? 64'd0 : cycle + 1'b1;
    if (start) limit <= capacity;
    if (!rst_n) running <= 1'b0;
    else if (start) running <= 1'b1;
  end

  always_ff @(posedge clk) begin
    if (!rst_n || start) begin
      out <= '0;
    end else begin
      for (int i = 0; i < PORTS; i++) begin
        for (int f = 0; f < FLOWS; f++) begin
          out[(i*FLOWS + f)*16 +: 16] <= out[(i*FLOWS + f)*16 +: 16] + 16'(valid[i] && slot(i, flow[i*8 +: 8]) == i*FLOWS + f) -
                                         16'(credit[i*FLOWS + f]);
        end
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk) begin
    if (rst_n && running && !start) begin
      for (int i = 0; i < PORTS; i++) begin
        if ((^{valid[i], credit[i*FLOWS +: FLOWS]}) === 1'bx || (valid[i] && (^{flow[i*8 +: 8], packet[i*BITS +: BITS]}) === 1'bx))
          $fatal(1, "%m: %s %0d, cycle %0d: unknown bits", PORT, i, cycle);
        if (valid[i] && 32'(flow[i*8 +: 8]) >= FLOWS) $fatal(1, "%m: %s %0d, cycle %0d: flow %0d of %0d", PORT, i, cycle, flow[i*8 +: 8], FLOWS);
        if (valid[i] && out[slot(i, flow[i*8 +: 8])*16 +: 16] >=
            limit[slot(i, flow[i*8 +: 8])*16 +: 16])
          $fatal(1, "%m: %s %0d, flow %0d, cycle %0d: a packet without a credit", PORT, i, flow[i*8 +: 8], cycle);
        for (int f = 0; f < FLOWS; f++) begin
          if (credit[i*FLOWS + f] && out[(i*FLOWS + f)*16 +: 16] == '0)
            $fatal(1, "%m: %s %0d, flow %0d, cycle %0d: a credit that nobody has used", PORT, i, f, cycle);
        end
      end
    end
  end
`endif
endmodule
