// Stands for the PMU of another team: behind the port list alone, its scratchpad somewhere inside, without what only ours offers
// beside the pins (ECC, counts).
module boxed_pmu #(
  parameter int BYTES = 512 * 1024,
  parameter int BANKS = 16
) (
  input  logic          clk,
  input  logic          rst_n,
  input  logic          cfg_valid,
  input  logic [9:0]    cfg_word,
  input  logic [31:0]   cfg_data,
  input  logic          start,
  output logic          idle,
  output logic          done,
  input  logic [3:0]    in_valid,
  input  logic [4*512-1:0] in_data,
  input  logic [4*40-1:0]  in_head,
  output logic [3:0]    in_credit,
  output logic [1:0]    out_valid,
  output logic [2*512-1:0] out_data,
  output logic [2*40-1:0]  out_head,
  input  logic [1:0]    out_credit,
  input  logic [2*16-1:0]  out_init,
  input  logic [1:0]    sin_valid,
  input  logic [2*32-1:0]  sin_data,
  output logic [1:0]    sin_credit,
  output logic          sout_valid,
  output logic [31:0]   sout_data,
  input  logic          sout_credit,
  input  logic [15:0]   sout_init,
  input  logic [1:0]    tok_in,
  output logic [1:0]    tok_out
);
  /* verilator lint_off PINCONNECTEMPTY */
  pmu #(.SCRATCHPAD_BYTES(BYTES), .BANKS(BANKS)) unit (
    .*, .token_overflow(), .flip_valid(1'b0), .flip_word('0), .flip_bits('0), .ecc_corrected(), .ecc_uncorrectable(), .ecc_address(), .perf());
  /* verilator lint_on PINCONNECTEMPTY */
endmodule
