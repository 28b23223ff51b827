// A unit's output: a queue of DEPTH places behind which a stream leaves, a word a cycle, as far as credits allow.
//
// A unit takes places when it fires and puts words when they are ready; a word put in cycle r-1 may leave in cycle r, and its
// place is free again the cycle after it has left. Credits are what the way to the consumers can still hold: `init` of them at
// `start`, one more the cycle after `credit`.
module output_queue #(
  parameter int WIDTH = 552,
  parameter int DEPTH = 32,
  parameter int MOST = 2  // places that are taken at once
) (
  input  logic             clk,
  input  logic             rst_n,
  input  logic             start,                    // empties it
  input  logic [15:0]      init,
  output logic [$clog2(DEPTH+1)-1:0] free,           // places that may be taken in this cycle
  input  logic [$clog2(MOST+1)-1:0] take_places,     // not more than are free
  input  logic             put,
  input  logic [WIDTH-1:0] put_data,
  output logic             valid,                    // a word leaves
  output logic [WIDTH-1:0] data,
  input  logic             credit,
  output logic             empty                     // every place is free
);
  localparam int CW = $clog2(DEPTH + 1);

  logic ready;
  logic [15:0] credits;
  /* verilator lint_off PINCONNECTEMPTY */
  fifo #(.WIDTH(WIDTH), .DEPTH(DEPTH)) queue (
    .clk, .rst_n, .clear(start), .put, .data_in(put_data), .take(valid), .valid(ready), .data_out(data), .count(), .overflow());
  /* verilator lint_on PINCONNECTEMPTY */

  assign valid = ready && credits != '0;
  assign empty = free == CW'(DEPTH);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      free <= CW'(DEPTH);
      credits <= '0;
    end else if (start) begin
      free <= CW'(DEPTH);
      credits <= init;
    end else begin
      free <= free - CW'(take_places) + CW'(valid);
      credits <= credits - 16'(valid) + 16'(credit);
    end
  end
endmodule
