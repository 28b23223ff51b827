// Nested counters, level 0 innermost: index l runs over 0 .. count l - 1 (a count of 0 is 1). `offset` is the sum of index * stride.
module counter_chain #(
  parameter int LEVELS = 6,
  parameter int WIDTH = 32
) (
  input  logic                    clk,
  input  logic                    rewind,  // to the first iteration
  input  logic                    step,    // to the next; after the last comes the first
  input  logic [LEVELS*WIDTH-1:0] count,
  input  logic [LEVELS*WIDTH-1:0] stride,
  output logic [LEVELS*WIDTH-1:0] index,
  output logic [WIDTH-1:0]        offset,
  output logic [LEVELS-1:0]       first,   // counters 0 .. l are all at their first value
  output logic [LEVELS-1:0]       last     // ... at their last value: of level LEVELS-1 the whole chain is
);
  logic [LEVELS*WIDTH-1:0] part;  // index * stride of each level
  logic [LEVELS-1:0] at_first;
  logic [LEVELS-1:0] at_last;

  function automatic logic [WIDTH-1:0] sum(input logic [LEVELS*WIDTH-1:0] parts);
    sum = '0;
    for (int l = 0; l < LEVELS; l++) sum = sum + parts[l*WIDTH +: WIDTH];
  endfunction

  assign offset = sum(part);

  genvar l;
  generate
    for (l = 0; l < LEVELS; l++) begin : level
      wire [WIDTH-1:0] here = index[l*WIDTH +: WIDTH];
      wire [WIDTH-1:0] size = count[l*WIDTH +: WIDTH];
      wire [WIDTH-1:0] next = here + 1'b1;
      assign at_first[l] = here == '0;
      assign at_last[l] = next == size || size == '0;
      assign first[l] = &at_first[l:0];
      assign last[l] = &at_last[l:0];
      wire moves = step && (l == 0 || last[l == 0 ? 0 : l-1]);
      always_ff @(posedge clk) begin
        if (rewind || (moves && at_last[l])) begin
          index[l*WIDTH +: WIDTH] <= '0;
          part[l*WIDTH +: WIDTH] <= '0;
        end else if (moves) begin
          index[l*WIDTH +: WIDTH] <= next;
          part[l*WIDTH +: WIDTH] <= part[l*WIDTH +: WIDTH] + stride[l*WIDTH +: WIDTH];
        end
      end
    end
  endgenerate
endmodule
