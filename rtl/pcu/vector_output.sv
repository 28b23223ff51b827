// A vector output: turns a program's vectors into packets and sends them as credits allow. Formats and heads:
// models/fabric/pcu/README.md, "Formats of vectors" and "Output".
`include "pcu.svh"
`include "fp.svh"

module vector_output #(
    parameter LANES = 32,
    parameter DEPTH = 32
) (
    input  logic                clk,
    input  logic                rst_n,
    input  logic                start,
    // configuration
    input  logic [2:0]          format,
    input  logic [5:0]          active_lanes,
    input  logic                sequenced,
    input  logic [2:0]          flow,
    input  logic [31:0]         sequence_word,
    input  logic [20:0]         destination,
    // a packet of a vector
    input  logic                put,
    input  logic                upper,         // its lanes 16 .. 31, of a vector of two packets
    input  logic [32*LANES-1:0] value,
    input  logic [32*LANES-1:0] random,
    output logic                random_take,
    // places: for a packet that is fired now, for one more in the next cycle
    output logic                place,
    output logic                second_place,
    input  logic [1:0]          take_places,
    output logic                empty,
    // pins
    output logic                out_valid,
    output logic [511:0]        out_data,
    output logic [39:0]         out_head,
    input  logic                out_credit,
    input  logic [15:0]         out_init
);
  localparam PLACES = $clog2(DEPTH + 1);

  // Lane i, 32 bits; zero bits if it is idle.
  function automatic logic [31:0] lane(input int i);
    lane = i < LANES && i < 32'(active_lanes) ? value[32*(i%LANES)+:32] : '0;
  endfunction

  logic [511:0] packet;
  always_comb begin
    packet = '0;
    if (put) begin
      case (format)
        PCU_PROGRAM_OUT_FORMAT_FP32:
          for (int i = 0; i < 16; i++) packet[32*i+:32] = fp_canonical(lane(upper ? i + 16 : i));
        PCU_PROGRAM_OUT_FORMAT_INT32:
          for (int i = 0; i < 16; i++) packet[32*i+:32] = lane(upper ? i + 16 : i);
        PCU_PROGRAM_OUT_FORMAT_INT8:
          for (int i = 0; i < 32; i++) packet[8*i+:8] = 8'(int_saturate8(lane(i)));
        PCU_PROGRAM_OUT_FORMAT_BF16:
          for (int i = 0; i < 32; i++) packet[16*i+:16] = fp_to_bf16(lane(i));
        default:  // BF16_SR
          for (int i = 0; i < 32; i++) packet[16*i+:16] = i < 32'(active_lanes) ? fp_to_bf16_stochastic(lane(i), random[32*(i%LANES)+:16]) : '0;
      endcase
    end
  end
  assign random_take = put && format == PCU_PROGRAM_OUT_FORMAT_BF16_SR;

  logic [15:0] sequence_id;
  always_ff @(posedge clk) begin
    if (start) sequence_id <= sequence_word[PCU_PROGRAM_SEQ_FIRST_LSB+:PCU_PROGRAM_SEQ_FIRST_WIDTH];
    else if (put) sequence_id <= sequence_id + sequence_word[PCU_PROGRAM_SEQ_STEP_LSB+:PCU_PROGRAM_SEQ_STEP_WIDTH];
  end

  logic [PLACES-1:0] free;
  output_queue #(.WIDTH(552), .DEPTH(DEPTH)) queue (
      .clk, .rst_n, .start, .init(out_init), .free, .take_places, .put,
      .put_data({flow, destination, sequenced ? sequence_id : 16'b0, packet}), .valid(out_valid), .data({out_head, out_data}),
      .credit(out_credit), .empty);
  assign place = free != '0;
  assign second_place = free > PLACES'(1) || out_valid;  // what leaves now makes room for the next cycle
endmodule
