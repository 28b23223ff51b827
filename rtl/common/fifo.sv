// A queue of DEPTH words. What was written in a cycle can be read in the next; a word can be taken and another written in the
// same cycle, full or not. The one who writes counts places or credits: a word into a full queue is lost (and `overflow`).
module fifo #(
  parameter int WIDTH = 8,
  parameter int DEPTH = 4  // any number, at least 1
) (
  input  logic             clk,
  input  logic             rst_n,
  input  logic             clear,     // empties it
  input  logic             put,
  input  logic [WIDTH-1:0] data_in,
  input  logic             take,      // only while `valid`
  output logic             valid,
  output logic [WIDTH-1:0] data_out,  // the oldest word
  output logic [$clog2(DEPTH+1)-1:0] count,
  output logic             overflow
);
  localparam int AW = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int CW = $clog2(DEPTH + 1);

  logic [WIDTH-1:0] words [DEPTH];
  logic [AW-1:0] head;
  logic [AW-1:0] tail;

  function automatic logic [AW-1:0] next(input logic [AW-1:0] place);
    next = place == AW'(DEPTH - 1) ? '0 : place + 1'b1;
  endfunction

  assign valid = count != '0;
  assign data_out = words[head];
  assign overflow = put && !take && count == CW'(DEPTH);

  always_ff @(posedge clk) begin
    if (put && !overflow) words[tail] <= data_in;
    if (!rst_n || clear) begin
      head <= '0;
      tail <= '0;
      count <= '0;
    end else begin
      if (take) head <= next(head);
      if (put && !overflow) tail <= next(tail);
      if (put && !overflow && !take) count <= count + 1'b1;
      if (take && !put) count <= count - 1'b1;
    end
  end
endmodule
