// The code of scratchpad words (models/fabric/pmu/README.md, ECC): 32 data bits, 7 check bits. Columns of data bits 31 .. 0: the
// 7-bit values with exactly three ones in increasing order, without 07, 38 and 49.
`ifndef RDU_SECDED_SVH
`define RDU_SECDED_SVH
localparam logic [32*7-1:0] SECDED_COLUMNS = {
  7'h70, 7'h68, 7'h64, 7'h62, 7'h61, 7'h58, 7'h54, 7'h52, 7'h51, 7'h4c, 7'h4a, 7'h46, 7'h45, 7'h43,
  7'h34, 7'h32, 7'h31, 7'h2c, 7'h2a, 7'h29, 7'h26, 7'h25, 7'h23, 7'h1c, 7'h1a, 7'h19, 7'h16, 7'h15,
  7'h13, 7'h0e, 7'h0d, 7'h0b};
`endif
