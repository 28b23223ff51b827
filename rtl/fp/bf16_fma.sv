// y = a * b + c with one rounding: BF16 factors, FP32 addend and result. A cell of the systolic array. Combinational.
module bf16_fma (
    input  logic [15:0] a,
    input  logic [15:0] b,
    input  logic [31:0] c,
    output logic [31:0] y
);
  fma #(.FRAC(7)) unit (.en(1'b1), .a, .b, .c, .y);
endmodule
