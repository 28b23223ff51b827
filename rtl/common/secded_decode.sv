// A word as stored, {check bits, data}: what it was, if one bit at most has flipped.
`include "secded.svh"

module secded_decode (
  input  logic [38:0] stored,
  output logic [31:0] data,
  output logic        corrected,      // one bit was wrong
  output logic        uncorrectable   // more were; `data` is as stored
);
  logic [6:0] check;
  secded_encode encode (.data(stored[31:0]), .check);
  wire [6:0] syndrome = check ^ stored[38:32];

  logic [31:0] flip;
  always_comb begin
    flip = '0;
    if (syndrome != '0) begin
      for (int i = 0; i < 32; i++) flip[i] = syndrome == SECDED_COLUMNS[i*7 +: 7];
    end
  end

  wire in_check_bit = (syndrome & (syndrome - 1'b1)) == '0;  // one of them, or none

  assign data = stored[31:0] ^ flip;
  assign corrected = syndrome != '0 && (in_check_bit || flip != '0);
  assign uncorrectable = syndrome != '0 && !in_check_bit && flip == '0;
endmodule
