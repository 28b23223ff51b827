// y = a * b + c with one rounding, all FP32. A sum is a * 1 + c, a product a * b + -0. Combinational.
module fp32_fma (
    input  logic [31:0] a,
    input  logic [31:0] b,
    input  logic [31:0] c,
    output logic [31:0] y
);
  fma #(.FRAC(23)) unit (.en(1'b1), .a, .b, .c, .y);
endmodule
