// The tail: one function on each lane, by table and cubic polynomial in fixed point, a vector a cycle. The functions are defined in
// models/fabric/math/README.md, "Tail functions"; names here are those there. NONE passes everything on in the same cycle;
// what enters in cycle t leaves in cycle t + CYCLES - 1 of its function.
//
// Steps, each with a register behind it; a function passes those that it needs, in this order:
//   power     EXP, TANH, ERF      x in fixed point, as an exponent of 2 or as an argument (of SIGMOID without a register)
//   poly      all                 three multiplications
//   poly      SIGMOID             before them 1 + e^-x, as an argument of RECIP
//   product   LOG, TANH, ERF      of the polynomial and the argument
//   round     all                 to FP32
`include "pcu.svh"
`include "fp.svh"
`include "tail_tables.svh"

module tail #(
    parameter LANES = 32,
    parameter FLAGS = 5,
    parameter EXP_CYCLES = 8,
    parameter RECIP_CYCLES = 6,
    parameter TAIL_CYCLES = 8  // all others
) (
    input  logic                clk,
    input  logic                rst_n,
    input  logic                start,
    input  logic [3:0]          select,    // the function
    input  logic [FLAGS-1:0]    in_flags,  // what the value is; none set: there is none
    input  logic [32*LANES-1:0] in_value,
    output logic [FLAGS-1:0]    flags,
    output logic [32*LANES-1:0] value,
    output logic                working
);
  localparam VECTOR = 32 * LANES;

  logic is_none, is_exp, is_recip, is_log, is_sqrt, is_rsqrt, is_sigmoid, is_tanh, is_erf;
  logic has_power, has_product, is_fixed;
  assign is_none = select == PCU_PROGRAM_MODE_TAIL_NONE;
  assign is_exp = select == PCU_PROGRAM_MODE_TAIL_EXP;
  assign is_recip = select == PCU_PROGRAM_MODE_TAIL_RECIP;
  assign is_log = select == PCU_PROGRAM_MODE_TAIL_LOG;
  assign is_sqrt = select == PCU_PROGRAM_MODE_TAIL_SQRT;
  assign is_rsqrt = select == PCU_PROGRAM_MODE_TAIL_RSQRT;
  assign is_sigmoid = select == PCU_PROGRAM_MODE_TAIL_SIGMOID;
  assign is_tanh = select == PCU_PROGRAM_MODE_TAIL_TANH;
  assign is_erf = select == PCU_PROGRAM_MODE_TAIL_ERF;
  assign has_power = is_exp || is_tanh || is_erf;
  assign is_fixed = has_power || is_sigmoid;
  assign has_product = is_log || is_tanh || is_erf;

  // ---- what a lane carries from step to step ----
  // The argument taken apart.
  function automatic logic signed [8:0] exponent_of(input logic [7:0] field);
    exponent_of = $signed({1'b0, field}) - 9'sd127;
  endfunction
  function automatic logic [23:0] significand_of(input logic [22:0] f);
    significand_of = {1'b1, f};
  endfunction

  // Results that need no table: {there is one, FP32}.
  function automatic logic [32:0] special(input logic [31:0] x);
    logic s, zero, infinite;
    logic signed [8:0] e;
    s = x[31];
    e = exponent_of(x[30:23]);
    zero = x[30:23] == '0;
    infinite = &x[30:23];
    special = '0;
    if (fp_is_nan(x)) special = {1'b1, FP_NAN};
    else if (is_recip && zero) special = {1'b1, s, FP_INFINITY};
    else if (is_recip && infinite) special = {1'b1, s, 31'b0};
    else if (is_exp && e >= 9'sd7) special = {1'b1, 1'b0, s ? 31'b0 : FP_INFINITY};
    else if (is_sigmoid && e >= 9'sd7) special = {1'b1, s ? 32'b0 : FP_ONE};
    else if (is_log && zero) special = {1'b1, 1'b1, FP_INFINITY};
    else if (is_sqrt && zero) special = {1'b1, s, 31'b0};
    else if (is_rsqrt && zero) special = {1'b1, s, FP_INFINITY};
    else if ((is_log || is_sqrt || is_rsqrt) && s) special = {1'b1, FP_NAN};
    else if ((is_log || is_sqrt) && infinite) special = {1'b1, 1'b0, FP_INFINITY};
    else if (is_rsqrt && infinite) special = {1'b1, 32'b0};
    else if ((is_tanh || is_erf) && zero) special = {1'b1, s, 31'b0};
    else if ((is_tanh && e >= 9'sd4) || (is_erf && e >= 9'sd2)) special = {1'b1, s, FP_ONE[30:0]};
  endfunction

  // ---- power: log2(e) * x in units of 2^-29, or |x| in units of 2^-28 ----
  localparam FIXED = 39;
  function automatic logic signed [FIXED-1:0] fixed(input logic [31:0] x);
    logic [61:0] scaled;
    logic [8:0] distance;
    logic [FIXED-1:0] magnitude;
    if (is_tanh || is_erf) begin
      scaled = {34'b0, significand_of(x[22:0]), 4'b0};
      distance = 9'(-9'sd1 - exponent_of(x[30:23]));
    end else begin
      scaled = {38'b0, significand_of(x[22:0])} * {24'b0, TAIL_LOG2_E};
      distance = 9'(9'sd31 - exponent_of(x[30:23]));
    end
    magnitude = distance > 9'd61 ? '0 : FIXED'(scaled >> distance);
    fixed = (is_exp && x[31]) || (is_sigmoid && !x[31]) ? -$signed(magnitude) : $signed(magnitude);
  endfunction

  logic [VECTOR-1:0] power_x;
  logic [FIXED*LANES-1:0] power_t;
  logic [FLAGS-1:0] power_flags;
  logic [FIXED*LANES-1:0] next_t;
  always_comb begin
    next_t = '0;
    if (in_flags != '0 && is_fixed) begin
      for (int i = 0; i < LANES; i++) next_t[FIXED*i+:FIXED] = fixed(in_value[32*i+:32]);
    end
  end
  always_ff @(posedge clk) begin
    if (in_flags != '0 && has_power) begin
      power_x <= in_value;
      power_t <= next_t;
    end
    power_flags <= rst_n && !start && has_power ? in_flags : '0;
  end

  // ---- the first polynomial ----
  logic [VECTOR-1:0] x;
  logic [FIXED*LANES-1:0] t;
  logic [FLAGS-1:0] x_flags;
  always_comb begin
    x = has_power ? power_x : in_value;
    t = has_power ? power_t : next_t;
    if (has_power) x_flags = power_flags;
    else x_flags = is_none ? '0 : in_flags;
  end

  // {segment, position in it}
  function automatic logic [32:0] place_of(input logic [30:0] value_x, input logic [28:0] point);
    logic signed [8:0] e;
    e = exponent_of(value_x[30:23]);
    place_of = '0;
    if (is_exp || is_sigmoid) place_of = {TAIL_EXP + {4'b0, point[28:23]}, point[22:0]};
    else if (is_recip) place_of = {TAIL_RECIP + {4'b0, value_x[22:17]}, value_x[16:0], 6'b0};
    else if (is_log) place_of = {TAIL_LOG + {4'b0, value_x[22:17]}, value_x[16:0], 6'b0};
    else if (is_sqrt) place_of = {TAIL_SQRT + {4'b0, e[0], value_x[22:18]}, value_x[17:0], 5'b0};
    else if (is_rsqrt) place_of = {TAIL_RSQRT + {4'b0, e[0], value_x[22:18]}, value_x[17:0], 5'b0};
    else if (e >= 0) place_of = {(is_tanh ? TAIL_TANH : TAIL_ERF) + 10'({e + 9'sd1, value_x[22:18]}), value_x[17:0], 5'b0};
    else place_of = {(is_tanh ? TAIL_TANH : TAIL_ERF) + {5'b0, point[27:23]}, point[22:0]};
  endfunction

  logic [33*LANES-1:0] first_place;
  always_comb begin
    first_place = '0;
    if (x_flags != '0) begin
      for (int i = 0; i < LANES; i++) first_place[33*i+:33] = place_of(x[32*i+:31], t[FIXED*i+:29]);
    end
  end
  logic [32*LANES-1:0] first_y;
  logic [FLAGS-1:0] first_flags;
  // Along with it: the argument, and the exponent of 2.
  localparam ALONG = 41;
  logic [ALONG*LANES-1:0] first_in, first_along;
  always_comb begin
    first_in = '0;
    if (x_flags != '0) begin
      for (int i = 0; i < LANES; i++) first_in[ALONG*i+:ALONG] = {t[FIXED*i+29+:9], x[32*i+:32]};
    end
  end
  logic first_working, second_working;
  tail_poly #(.LANES(LANES), .FLAGS(FLAGS), .ALONG(ALONG)) first_poly (
      .clk, .rst_n, .start, .in_flags(x_flags), .in_along(first_in), .place(first_place), .flags(first_flags), .along(first_along),
      .y(first_y), .working(first_working));

  // ---- SIGMOID: (1 + e^-x) / 2^k in units of 2^-30 is the argument of the second ----
  function automatic logic [41:0] unified(input logic [31:0] y, input logic signed [8:0] n);  // {k, segment, position}
    logic [8:0] k, down;
    logic [31:0] d;
    k = n > 0 ? n : '0;
    down = n > 0 ? '0 : 9'(-n);
    d = (down > 9'd31 ? '0 : y >> down[4:0]) + (k > 9'd31 ? '0 : 32'h4000_0000 >> k[4:0]);
    if (d[31]) begin
      d = d >> 1;
      k = k + 9'd1;
    end
    unified = {k, TAIL_RECIP + {4'b0, d[29:24]}, d[23:2], 1'b0};
  endfunction

  logic [33*LANES-1:0] second_place;
  logic [ALONG*LANES-1:0] second_in, second_along;
  logic [FLAGS-1:0] second_flags;
  logic [32*LANES-1:0] second_y;
  always_comb begin
    second_place = '0;
    second_in = '0;
    if (first_flags != '0 && is_sigmoid) begin
      for (int i = 0; i < LANES; i++)
        {second_in[ALONG*i+32+:9], second_place[33*i+:33], second_in[ALONG*i+:32]} =
            {unified(first_y[32*i+:32], first_along[ALONG*i+32+:9]), first_along[ALONG*i+:32]};
    end
  end
  tail_poly #(.LANES(LANES), .FLAGS(FLAGS), .ALONG(ALONG)) second_poly (
      .clk, .rst_n, .start, .in_flags(is_sigmoid ? first_flags : {FLAGS{1'b0}}), .in_along(second_in), .place(second_place), .flags(second_flags),
      .along(second_along), .y(second_y), .working(second_working));

  // ---- product, as sign and magnitude S times 2^q; and what comes without one ----
  localparam S = 53;
  localparam TERM = S + 11;  // {sign, q, S}
  localparam [5:0] ERF_SCALE = 6'd4;

  function automatic logic [5:0] tanh_scale(input logic [1:0] e);
    case (e)
      2'd0: tanh_scale = 6'd0;
      2'd1: tanh_scale = 6'd2;
      2'd2: tanh_scale = 6'd6;
      default: tanh_scale = 6'd15;
    endcase
  endfunction

  function automatic logic [TERM-1:0] multiplied(input logic [31:0] value_x, input logic [31:0] y);
    logic signed [8:0] e;
    logic signed [24:0] u;
    logic signed [53:0] p;
    logic [52:0] magnitude;
    logic [29:0] quarter;
    logic [5:0] scale;
    e = exponent_of(value_x[30:23]);
    quarter = 30'((y + 32'd2) >> 2);
    if (is_log) begin
      if (value_x[22]) u = $signed({1'b0, significand_of(value_x[22:0])}) - 25'sh100_0000;
      else u = $signed({1'b0, value_x[22:0], 1'b0});
      p = u * $signed({1'b0, quarter});
      e = e + $signed({8'b0, value_x[22]});
      multiplied = {p[53], 10'(e), p[52:0]};
    end else if (e >= 0) begin
      scale = is_tanh ? tanh_scale(e[1:0]) : (e[0] ? ERF_SCALE : 6'd0);
      multiplied = {value_x[31], -10'sd30 - $signed({4'b0, scale}), (53'h4000_0000 << scale) - {21'b0, y}};
    end else begin
      magnitude = {29'b0, significand_of(value_x[22:0])} * {23'b0, quarter};
      multiplied = {value_x[31], 10'(e) - 10'sd51, magnitude};
    end
  endfunction

  // Of LOG, `multiplied` leaves p and the exponent of x: the sum of both.
  function automatic logic [TERM-1:0] summed(input logic [TERM-1:0] term);
    logic signed [9:0] e;
    logic signed [53:0] p, r, power_part;
    e = term[S+:10];
    power_part = e * $signed({1'b0, TAIL_LN_2});
    p = {term[TERM-1], term[S-1:0]};
    r = e == 0 ? p : power_part + (p >>> 12);
    summed = {r[53], e == 0 ? -10'sd52 : -10'sd40, 53'(r[53] ? -r : r)};
  endfunction

  function automatic logic [TERM-1:0] plain(input logic [8:0] upper, input logic signed [8:0] n, input logic [31:0] y);
    logic signed [9:0] e, half;
    e = 10'(exponent_of(upper[7:0]));
    half = e >>> 1;
    if (is_recip) plain = {upper[8], -e - 10'sd30, 21'b0, y};
    else if (is_exp) plain = {1'b0, 10'(n) - 10'sd30, 21'b0, y};
    else if (is_sigmoid) plain = {1'b0, 10'sd0 - 10'(n) - 10'sd30, 21'b0, y};
    else if (is_sqrt) plain = {1'b0, half - 10'sd30, 21'b0, y};
    else plain = {1'b0, -half - 10'sd30, 21'b0, y};
  endfunction

  logic [TERM*LANES-1:0] product, next_product;
  logic [VECTOR-1:0] product_x;
  logic [FLAGS-1:0] product_flags;
  always_comb begin
    next_product = '0;
    if (first_flags != '0 && has_product) begin
      for (int i = 0; i < LANES; i++) next_product[TERM*i+:TERM] = multiplied(first_along[ALONG*i+:32], first_y[32*i+:32]);
    end
  end
  always_ff @(posedge clk) begin
    if (first_flags != '0 && has_product) begin
      product <= next_product;
      for (int i = 0; i < LANES; i++) product_x[32*i+:32] <= first_along[ALONG*i+:32];
    end
    product_flags <= rst_n && !start && has_product ? first_flags : '0;
  end

  // ---- round ----
  function automatic logic [31:0] rounded(input logic [TERM-1:0] term);
    logic [S-1:0] normal;
    logic signed [10:0] exponent, final_exponent;
    logic [22:0] fraction;
    logic up;
    normal = term[S-1:0];
    exponent = 11'($signed(term[S+:10])) + 11'sd179;  // of the leading bit, if it is the uppermost: 52 + 127
    for (int i = 5; i >= 0; i--) begin
      if ((normal >> (S - (1 << i))) == '0) begin
        normal = normal << (1 << i);
        exponent = exponent - 11'(1 << i);
      end
    end
    up = normal[S-25] && (normal[S-24] || normal[S-26:0] != '0);
    {final_exponent, fraction} = {exponent, normal[S-2-:23]} + {33'b0, up};
    if (normal == '0 || final_exponent <= 0) rounded = {term[TERM-1], 31'b0};
    else if (final_exponent >= 11'sd255) rounded = {term[TERM-1], FP_INFINITY};
    else rounded = {term[TERM-1], final_exponent[7:0], fraction};
  endfunction

  logic [FLAGS-1:0] term_flags, round_flags;
  logic [VECTOR-1:0] next_round;
  always_comb begin
    if (has_product) term_flags = product_flags;
    else term_flags = is_sigmoid ? second_flags : first_flags;
  end
  function automatic logic [31:0] finish(input logic [31:0] value_x, input logic [TERM-1:0] term);
    logic [32:0] exception;
    exception = special(value_x);
    finish = exception[32] ? exception[31:0] : rounded(term);
  endfunction
  always_comb begin
    next_round = '0;
    if (term_flags != '0) begin
      for (int i = 0; i < LANES; i++) begin
        if (is_log) next_round[32*i+:32] = finish(product_x[32*i+:32], summed(product[TERM*i+:TERM]));
        else if (has_product) next_round[32*i+:32] = finish(product_x[32*i+:32], product[TERM*i+:TERM]);
        else if (is_sigmoid)
          next_round[32*i+:32] = finish(second_along[ALONG*i+:32], plain(second_along[ALONG*i+23+:9], second_along[ALONG*i+32+:9], second_y[32*i+:32]));
        else
          next_round[32*i+:32] = finish(first_along[ALONG*i+:32], plain(first_along[ALONG*i+23+:9], first_along[ALONG*i+32+:9], first_y[32*i+:32]));
      end
    end
  end

  // ---- the rest of the function's cycles ----
  localparam MOST = 16;
  logic [VECTOR*MOST-1:0] delayed;
  logic [FLAGS*MOST-1:0] delayed_flags;
  logic [3:0] delay;
  always_comb begin
    case (select)
      PCU_PROGRAM_MODE_TAIL_EXP: delay = 4'(EXP_CYCLES - 6);
      PCU_PROGRAM_MODE_TAIL_RECIP: delay = 4'(RECIP_CYCLES - 5);
      PCU_PROGRAM_MODE_TAIL_SQRT, PCU_PROGRAM_MODE_TAIL_RSQRT: delay = 4'(TAIL_CYCLES - 5);
      PCU_PROGRAM_MODE_TAIL_LOG: delay = 4'(TAIL_CYCLES - 6);
      PCU_PROGRAM_MODE_TAIL_TANH, PCU_PROGRAM_MODE_TAIL_ERF: delay = 4'(TAIL_CYCLES - 7);
      PCU_PROGRAM_MODE_TAIL_SIGMOID: delay = 4'(TAIL_CYCLES - 8);
      default: delay = '0;
    endcase
  end
  assign round_flags = term_flags;
  genvar d;
  generate
    for (d = 0; d < MOST; d++) begin : rest
      logic [FLAGS-1:0] comes;
      assign comes = d == 0 ? round_flags : (4'(d) <= delay ? delayed_flags[FLAGS*(d>0?d-1:0)+:FLAGS] : '0);
      always_ff @(posedge clk) begin
        if (comes != '0) delayed[VECTOR*d+:VECTOR] <= d == 0 ? next_round : delayed[VECTOR*(d>0?d-1:0)+:VECTOR];
        delayed_flags[FLAGS*d+:FLAGS] <= rst_n && !start ? comes : '0;
      end
    end
  endgenerate
  always_comb begin
    flags = is_none ? in_flags : delayed_flags[FLAGS*32'(delay)+:FLAGS];
    value = is_none ? in_value : delayed[VECTOR*32'(delay)+:VECTOR];
  end
  assign working = power_flags != '0 || first_working || second_working || product_flags != '0 || delayed_flags != '0;

`ifndef SYNTHESIS
  initial begin
    if (EXP_CYCLES < 6 || RECIP_CYCLES < 5 || TAIL_CYCLES < 8) $error("a function of the tail has fewer cycles than steps");
    if (EXP_CYCLES > 21 || RECIP_CYCLES > 20 || TAIL_CYCLES > 20) $error("a function of the tail has more cycles than registers");
  end
`endif
endmodule
