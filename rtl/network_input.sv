// An input port of a network: a queue a flow. It keeps heads and counts; the data lie in the network's memory, at `write_place`
// of the queue that a packet enters and at `read_place` of the queue that it leaves.
module network_input #(
  parameter int FLOWS = 8,
  parameter int DEPTH = 2,
  parameter int HEAD = 37
) (
  input  logic                     clk,
  input  logic                     rst_n,
  input  logic                     start,
  input  logic                     valid,
  input  logic [$clog2(FLOWS)-1:0] flow,
  input  logic [HEAD-1:0]          head,
  input  logic [FLOWS-1:0]         gone,         // the first packet leaves
  output logic [FLOWS-1:0]         filled,
  output logic [FLOWS*HEAD-1:0]    first,        // head of the first packet
  output logic [(DEPTH > 1 ? $clog2(DEPTH) : 1)*FLOWS-1:0] read_place,
  output logic [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] write_place
);
  /*verilator no_inline_module*/
  localparam int PW = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int FW = $clog2(FLOWS);
  localparam int CW = $clog2(DEPTH + 1);

  logic [FLOWS*CW-1:0] count;
  logic [FLOWS*PW-1:0] tail;
  logic [HEAD-1:0] heads [FLOWS << PW];

  function automatic logic [PW-1:0] next(input logic [PW-1:0] place);
    next = place == PW'(DEPTH - 1) ? '0 : place + 1'b1;
  endfunction

  assign write_place = tail[flow*PW +: PW];

  genvar f;
  generate
    for (f = 0; f < FLOWS; f++) begin : queue
      wire put = valid && flow == f;
      assign filled[f] = count[f*CW +: CW] != '0;
      assign first[f*HEAD +: HEAD] = heads[{FW'(f), read_place[f*PW +: PW]}];
      always_ff @(posedge clk) begin
        if (!rst_n || start) begin
          count[f*CW +: CW] <= '0;
          tail[f*PW +: PW] <= '0;
          read_place[f*PW +: PW] <= '0;
        end else begin
          if (put) tail[f*PW +: PW] <= next(tail[f*PW +: PW]);
          if (gone[f]) read_place[f*PW +: PW] <= next(read_place[f*PW +: PW]);
          if (put && !gone[f]) count[f*CW +: CW] <= count[f*CW +: CW] + 1'b1;
          if (gone[f] && !put) count[f*CW +: CW] <= count[f*CW +: CW] - 1'b1;
        end
      end
    end
  endgenerate

  always_ff @(posedge clk) begin
    if (valid) heads[{flow, write_place}] <= head;
  end
endmodule
