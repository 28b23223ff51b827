// A vector input: the FIFO, and the vector that the last firing has seen. A firing takes a vector's packets one a cycle. What
// it brings is in `value` HEADER cycles after the firing, whatever the vector's own length: 1 cycle if no input of the program
// has vectors of two packets, else 2.
`include "pcu.svh"

module vector_input #(
    parameter LANES = 32,
    parameter DEPTH = 16
) (
    input  logic                clk,
    input  logic                rst_n,
    input  logic                start,        // nothing in the FIFO, zero bits in the vector
    input  logic [1:0]          format,
    input  logic                long_header,  // of the program: two cycles
    // pins
    input  logic                in_valid,
    input  logic [511:0]        in_data,
    output logic                in_credit,    // the cycle after a packet was taken
    // firing
    output logic                pair,         // a vector is two packets
    output logic                ready,        // a vector can be taken from this cycle on
    input  logic                take,
    output logic [32*LANES-1:0] value,
    // matrix mode: packets as they are
    output logic                packet_valid,
    input  logic                packet_take,
    output logic [511:0]        packet
);
  localparam VECTOR = 32 * LANES;
  localparam COUNT = $clog2(DEPTH + 1);

  logic pop, take_late;
  logic [COUNT-1:0] count;
  logic [511:0] early;

  /* verilator lint_off PINCONNECTEMPTY */
  fifo #(.WIDTH(512), .DEPTH(DEPTH)) queue (
      .clk, .rst_n, .clear(start), .put(in_valid), .data_in(in_data), .take(pop), .valid(packet_valid), .data_out(packet), .count,
      .overflow());
  /* verilator lint_on PINCONNECTEMPTY */

  assign pair = format == PCU_INPUT_FORMAT_FP32 || format == PCU_INPUT_FORMAT_INT32;
  // The second packet is taken in the next cycle: it may be one that comes in now.
  assign ready = pair ? count > COUNT'(1) || (count == COUNT'(1) && in_valid) : packet_valid;
  assign pop = take || (take_late && pair) || packet_take;

  // Of a vector of one packet.
  function automatic logic [1023:0] widen(input logic [511:0] halves);
    for (int i = 0; i < 32; i++) begin
      if (format == PCU_INPUT_FORMAT_BF16) widen[32*i+:32] = {halves[16*i+:16], 16'b0};
      else widen[32*i+:32] = {{24{halves[8*i+7]}}, halves[8*i+:8]};
    end
  endfunction

  /* verilator lint_off UNUSEDSIGNAL */
  logic [1023:0] arrived;  // of which a chip with fewer lanes has fewer
  /* verilator lint_on UNUSEDSIGNAL */
  logic store;
  assign store = long_header ? take_late : take;
  always_comb begin
    arrived = '0;
    if (store) begin
      if (pair) arrived = {packet, early};
      else arrived = widen(long_header ? early : packet);
    end
  end

  always_ff @(posedge clk) begin
    if (take) early <= packet;
    if (start) value <= '0;
    else if (store) value <= arrived[VECTOR-1:0];
    if (!rst_n || start) begin
      take_late <= 1'b0;
      in_credit <= 1'b0;
    end else begin
      take_late <= take;
      in_credit <= pop;
    end
  end
endmodule
