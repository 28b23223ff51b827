// Check bits of a word.
`include "secded.svh"

module secded_encode (
  input  logic [31:0] data,
  output logic [6:0]  check
);
  // Data bits that check bit j covers.
  function automatic logic [31:0] row(input logic [2:0] j);
    for (int i = 0; i < 32; i++) row[i] = SECDED_COLUMNS[i*7 + 32'(j)];
  endfunction

  genvar j;
  generate
    for (j = 0; j < 7; j++) begin : bits
      localparam logic [31:0] ROW = row(3'(j));
      assign check[j] = ^(data & ROW);
    end
  endgenerate
endmodule
