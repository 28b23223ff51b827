// Fused multiply-add y = a * b + c with one rounding, of LANES lanes. The factors have FRAC fraction bits (7: BF16, 23: FP32),
// the addend and the result are FP32. Rules: models/fabric/math/README.md, "FP32 operations". Combinational. Without `en` y
// is zero, and nothing inside moves.
//
// Product and addend are aligned to the larger exponent. FIELD fraction bits are enough that none is lost while the two can
// cancel each other by more than one place; from then on the lost ones are kept as one sticky bit (rounded to odd).
module fma #(
    parameter FRAC = 23,
    parameter LANES = 1
) (
    input  logic                      en,
    input  logic [LANES*(FRAC+9)-1:0] a,
    input  logic [LANES*(FRAC+9)-1:0] b,
    input  logic [LANES*32-1:0]       c,
    output logic [LANES*32-1:0]       y
);
  localparam FACTOR = FRAC + 9;
  localparam FIELD = 2 * FRAC + 3 > 27 ? 2 * FRAC + 3 : 27;
  localparam SUM = FIELD + 3;  // bits of the sum of a product below 4 and an addend below 2
  localparam NORMALIZE = $clog2(SUM);
  localparam ALIGN = $clog2(FIELD + 3);

  localparam [31:0] NAN = 32'h7fc0_0000;
  localparam [30:0] INFINITY = 31'h7f80_0000;

  function automatic logic [31:0] fused(input logic [FACTOR-1:0] factor1, input logic [FACTOR-1:0] factor2, input logic [31:0] addend);
    // Operands. A subnormal is zero of its sign.
    logic c_zero, a_special, b_special, c_special, nan;
    logic product_sign, product_zero, product_infinite, invalid, subtract;

    // Both significands, aligned: two bits before the point, FIELD after it.
    logic [2*FRAC+1:0] product;
    logic signed [10:0] product_exponent, c_exponent, exponent, distance;
    logic product_leads, sticky;
    logic [FIELD+1:0] product_field, c_field, leading, other, aligned;

    // The sum, its magnitude and sign; normalised; rounded.
    logic signed [SUM:0] total;
    logic [SUM-1:0] magnitude, normal;
    logic signed [10:0] normal_exponent, final_exponent;
    logic sign, round_up;
    logic [22:0] fraction;

    product_zero = factor1[FRAC+:8] == 0 || factor2[FRAC+:8] == 0;
    c_zero = addend[23+:8] == 0;
    a_special = &factor1[FRAC+:8];
    b_special = &factor2[FRAC+:8];
    c_special = &addend[23+:8];
    nan = (a_special && factor1[FRAC-1:0] != 0) || (b_special && factor2[FRAC-1:0] != 0) || (c_special && addend[22:0] != 0);
    product_sign = factor1[FRAC+8] ^ factor2[FRAC+8];
    product_infinite = a_special || b_special;
    subtract = product_sign ^ addend[31];
    invalid = nan || (product_infinite && product_zero) || (product_infinite && c_special && subtract);

    product = {{(FRAC + 1) {1'b0}}, 1'b1, factor1[FRAC-1:0]} * {{(FRAC + 1) {1'b0}}, 1'b1, factor2[FRAC-1:0]};
    product_exponent = $signed({3'b0, factor1[FRAC+:8]}) + $signed({3'b0, factor2[FRAC+:8]}) - 11'sd127;
    c_exponent = $signed({3'b0, addend[23+:8]});
    product_field = product_zero ? '0 : {product, {(FIELD - 2 * FRAC) {1'b0}}};
    c_field = c_zero ? '0 : {2'b01, addend[22:0], {(FIELD - 23) {1'b0}}};
    product_leads = c_zero || (!product_zero && product_exponent >= c_exponent);
    exponent = product_leads ? product_exponent : c_exponent;
    distance = product_leads ? product_exponent - c_exponent : c_exponent - product_exponent;
    leading = product_leads ? product_field : c_field;
    other = product_leads ? c_field : product_field;

    aligned = other;
    sticky = 1'b0;
    for (int i = 0; i < ALIGN; i++) begin
      if (distance[i]) begin
        sticky = sticky | (aligned & ~({(FIELD + 2) {1'b1}} << (1 << i))) != 0;
        aligned = aligned >> (1 << i);
      end
    end
    if (distance[10:ALIGN] != 0) begin  // it may be negative if `other` is zero: no harm
      sticky = other != 0;
      aligned = '0;
    end
    aligned[0] = aligned[0] | sticky;

    total = $signed({2'b0, leading}) + (subtract ? -$signed({2'b0, aligned}) : $signed({2'b0, aligned}));
    magnitude = total[SUM] ? SUM'(-total) : total[SUM-1:0];
    sign = (product_leads ? product_sign : addend[31]) ^ total[SUM];

    normal = magnitude;
    normal_exponent = exponent + 11'sd2;
    for (int i = NORMALIZE - 1; i >= 0; i--) begin
      if ((normal >> (SUM - (1 << i))) == 0) begin
        normal = normal << (1 << i);
        normal_exponent = normal_exponent - 11'(1 << i);
      end
    end

    // Rounding to nearest even, with no lower limit to the exponent, into which factor1 carry goes; then the limits.
    round_up = normal[SUM-25] && (normal[SUM-24] || normal[SUM-26:0] != 0);
    {final_exponent, fraction} = {normal_exponent, normal[SUM-2-:23]} + {33'b0, round_up};
    if (invalid) fused = NAN;
    else if (product_infinite) fused = {product_sign, INFINITY};
    else if (c_special) fused = {addend[31], INFINITY};
    else if (magnitude == 0) fused = {product_sign && addend[31], 31'b0};  // both zero, or all cancelled
    else if (final_exponent >= 11'sd255) fused = {sign, INFINITY};
    else if (final_exponent <= 0) fused = {sign, 31'b0};
    else fused = {sign, final_exponent[7:0], fraction};
  endfunction

  always_comb begin
    y = '0;
    if (en) begin
      for (int i = 0; i < LANES; i++) y[32*i+:32] = fused(a[FACTOR*i+:FACTOR], b[FACTOR*i+:FACTOR], c[32*i+:32]);
    end
  end
endmodule
