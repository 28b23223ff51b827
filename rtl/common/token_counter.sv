// Counts control tokens. Several may come and go in a cycle; one that comes can be taken in the next.
module token_counter #(
  parameter int GIVERS = 1,
  parameter int TAKERS = 1,
  parameter int WIDTH = 8
) (
  input  logic              clk,
  input  logic              rst_n,
  input  logic              start,     // to `initial_count`
  input  logic [WIDTH-1:0]  initial_count,
  input  logic [GIVERS-1:0] give,
  input  logic [TAKERS-1:0] take,      // not more than there are
  output logic [WIDTH-1:0]  count,
  output logic              overflow   // one came that cannot be counted
);
  localparam int SW = WIDTH + 4;

  function automatic logic [SW-1:0] ones_given(input logic [GIVERS-1:0] bits);
    ones_given = '0;
    for (int i = 0; i < GIVERS; i++) ones_given = ones_given + SW'(bits[i]);
  endfunction
  function automatic logic [SW-1:0] ones_taken(input logic [TAKERS-1:0] bits);
    ones_taken = '0;
    for (int i = 0; i < TAKERS; i++) ones_taken = ones_taken + SW'(bits[i]);
  endfunction

  wire [SW-1:0] sum = SW'(count) + ones_given(give) - ones_taken(take);

  assign overflow = sum[SW-1:WIDTH] != '0;

  always_ff @(posedge clk) begin
    if (!rst_n) count <= '0;
    else if (start) count <= initial_count;
    else count <= sum[WIDTH-1:0];
  end
endmodule
