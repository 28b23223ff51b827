// A configuration word at byte address ADDRESS.
module config_word #(
    parameter [31:0] ADDRESS = 0,
    parameter [31:0] RESET = 0
) (
    input  logic        clk,
    input  logic        rst_n,
    input  logic        cfg_valid,
    input  logic [9:0]  cfg_word,
    input  logic [31:0] cfg_data,
    output logic [31:0] value
);
  always_ff @(posedge clk) begin
    if (!rst_n) value <= RESET;
    else if (cfg_valid && cfg_word == ADDRESS[11:2]) value <= cfg_data;
  end
endmodule
