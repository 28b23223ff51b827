// The small modules side by side, for test_common.cpp.
module common (
  input  logic         clk,
  input  logic         rst_n,
  input  logic         start,
  // fifo
  input  logic         put,
  input  logic [15:0]  data_in,
  input  logic         take,
  output logic         valid,
  output logic [15:0]  data_out,
  output logic [2:0]   count,
  output logic         overflow,
  // output_queue
  input  logic [15:0]  init,
  output logic [2:0]   free,
  input  logic [1:0]   take_places,
  input  logic         out_put,
  input  logic [15:0]  out_put_data,
  output logic         out_valid,
  output logic [15:0]  out_data,
  input  logic         credit,
  output logic         out_empty,
  // counter_chain
  input  logic         step,
  input  logic [95:0]  counts,
  input  logic [95:0]  strides,
  output logic [95:0]  index,
  output logic [31:0]  offset,
  output logic [2:0]   first,
  output logic [2:0]   last,
  // token_counter
  input  logic [7:0]   tokens_init,
  input  logic [2:0]   give,
  input  logic [1:0]   taken,
  output logic [7:0]   tokens,
  output logic         token_overflow
);
  fifo #(.WIDTH(16), .DEPTH(5)) queue (
    .clk, .rst_n, .clear(start), .put, .data_in, .take, .valid, .data_out, .count, .overflow);
  output_queue #(.WIDTH(16), .DEPTH(6), .MOST(2)) outputs (
    .clk, .rst_n, .start, .init, .free, .take_places, .put(out_put), .put_data(out_put_data), .valid(out_valid),
    .data(out_data), .credit, .empty(out_empty));
  counter_chain #(.LEVELS(3), .WIDTH(32)) counters (
    .clk, .rewind(start), .step, .count(counts), .stride(strides), .index, .offset, .first, .last);
  token_counter #(.GIVERS(3), .TAKERS(2)) token (
    .clk, .rst_n, .start, .initial_count(tokens_init), .give, .take(taken), .count(tokens), .overflow(token_overflow));
endmodule
