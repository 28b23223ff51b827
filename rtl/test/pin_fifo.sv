// The smallest unit behind the port list of pin models: packets and words pass a queue at the input and one at the output,
// tokens a register. Configuration word 0 is added to the lowest word of every packet.
module pin_fifo #(
  parameter int FIFO_DEPTH = 16,
  parameter int OUTPUT_DEPTH = 8
) (
  input  logic         clk,
  input  logic         rst_n,
  input  logic         cfg_valid,
  input  logic [9:0]   cfg_word,
  input  logic [31:0]  cfg_data,
  input  logic         start,
  output logic         idle,
  output logic         done,
  input  logic         in_valid,
  input  logic [511:0] in_data,
  input  logic [39:0]  in_head,
  output logic         in_credit,
  output logic         out_valid,
  output logic [511:0] out_data,
  output logic [39:0]  out_head,
  input  logic         out_credit,
  input  logic [15:0]  out_init,
  input  logic         sin_valid,
  input  logic [31:0]  sin_data,
  output logic         sin_credit,
  output logic         sout_valid,
  output logic [31:0]  sout_data,
  input  logic         sout_credit,
  input  logic [15:0]  sout_init,
  input  logic         tok_in,
  output logic         tok_out
);
  logic [31:0] addend;
  always_ff @(posedge clk) begin
    if (!rst_n) addend <= '0;
    else if (cfg_valid && cfg_word == '0) addend <= cfg_data;
  end

  // ---- packets: one is taken as soon as there is a place in the output queue, and may leave in the next cycle
  logic ready, take;
  logic [551:0] first;
  logic [$clog2(OUTPUT_DEPTH+1)-1:0] free;
  logic empty;
  /* verilator lint_off PINCONNECTEMPTY */
  fifo #(.WIDTH(552), .DEPTH(FIFO_DEPTH)) packets_in (
    .clk, .rst_n, .clear(start), .put(in_valid), .data_in({in_head, in_data}), .take, .valid(ready), .data_out(first),
    .count(), .overflow());
  assign take = ready && free != '0;
  assign in_credit = take;
  output_queue #(.WIDTH(552), .DEPTH(OUTPUT_DEPTH), .MOST(1)) packets_out (
    .clk, .rst_n, .start, .init(out_init), .free, .take_places(take), .put(take),
    .put_data({first[551:32], first[31:0] + addend}), .valid(out_valid), .data({out_head, out_data}), .credit(out_credit), .empty);

  // ---- words
  logic word_ready, word_take;
  logic [31:0] word;
  logic [$clog2(OUTPUT_DEPTH+1)-1:0] word_free;
  logic word_empty;
  fifo #(.WIDTH(32), .DEPTH(4)) words_in (
    .clk, .rst_n, .clear(start), .put(sin_valid), .data_in(sin_data), .take(word_take), .valid(word_ready), .data_out(word),
    .count(), .overflow());
  /* verilator lint_on PINCONNECTEMPTY */
  assign word_take = word_ready && word_free != '0;
  assign sin_credit = word_take;
  output_queue #(.WIDTH(32), .DEPTH(OUTPUT_DEPTH), .MOST(1)) words_out (
    .clk, .rst_n, .start, .init(sout_init), .free(word_free), .take_places(word_take), .put(word_take), .put_data(word),
    .valid(sout_valid), .data(sout_data), .credit(sout_credit), .empty(word_empty));

  always_ff @(posedge clk) begin
    if (!rst_n || start) tok_out <= 1'b0;
    else tok_out <= tok_in;
  end

  // Idle: in this cycle nothing is taken, leaves or is sent, so that the next one would look the same.
  assign idle = !take && !out_valid && !word_take && !sout_valid && !tok_out;
  assign done = !ready && empty && !word_ready && word_empty && !tok_out;
endmodule
