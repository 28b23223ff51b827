// FP32 and BF16 values one at a time: what needs no multiplier. Rules: models/fabric/math/README.md.
`ifndef RDU_FP_SVH
`define RDU_FP_SVH

localparam logic [31:0] FP_NAN = 32'h7fc0_0000;
localparam logic [31:0] FP_ONE = 32'h3f80_0000;
localparam logic [30:0] FP_INFINITY = 31'h7f80_0000;  // without its sign

function automatic logic fp_is_nan(input logic [31:0] x);
  fp_is_nan = (x & 32'h7fff_ffff) > 32'h7f80_0000;
endfunction

// A subnormal is zero of its sign.
function automatic logic [31:0] fp_flush(input logic [31:0] x);
  fp_flush = x[30:23] == '0 ? {x[31], 31'b0} : x;
endfunction

// As a value leaves a unit.
function automatic logic [31:0] fp_canonical(input logic [31:0] x);
  fp_canonical = fp_is_nan(x) ? FP_NAN : fp_flush(x);
endfunction

// All values but NaNs in their order as unsigned integers, -0 below +0; and back.
function automatic logic [31:0] fp_key(input logic [31:0] x);
  logic [31:0] flushed;
  flushed = fp_flush(x);
  fp_key = flushed[31] ? ~flushed : {1'b1, flushed[30:0]};
endfunction
function automatic logic [31:0] fp_of_key(input logic [31:0] key);
  fp_of_key = key[31] ? {1'b0, key[30:0]} : ~key;
endfunction

function automatic logic [31:0] fp_max(input logic [31:0] x, input logic [31:0] y);
  if (fp_is_nan(x) || fp_is_nan(y)) fp_max = FP_NAN;
  else fp_max = fp_key(x) > fp_key(y) ? fp_flush(x) : fp_flush(y);
endfunction
function automatic logic [31:0] fp_min(input logic [31:0] x, input logic [31:0] y);
  if (fp_is_nan(x) || fp_is_nan(y)) fp_min = FP_NAN;
  else fp_min = fp_key(x) < fp_key(y) ? fp_flush(x) : fp_flush(y);
endfunction

// +0 and -0 are equal; a NaN is not equal to, nor less than, anything.
function automatic logic fp_equal(input logic [31:0] x, input logic [31:0] y);
  fp_equal = !fp_is_nan(x) && !fp_is_nan(y) && (fp_flush(x) == fp_flush(y) || (x[30:23] == '0 && y[30:23] == '0));
endfunction
function automatic logic fp_less(input logic [31:0] x, input logic [31:0] y);
  fp_less = !fp_is_nan(x) && !fp_is_nan(y) && fp_key(x) < fp_key(y) && !(x[30:23] == '0 && y[30:23] == '0);
endfunction

// To BF16, nearest even.
function automatic logic [15:0] fp_to_bf16(input logic [31:0] x);
  logic [31:0] flushed;
  logic up;
  flushed = fp_flush(x);
  up = flushed[15] && (flushed[14:0] != '0 || flushed[16]);
  fp_to_bf16 = fp_is_nan(x) ? FP_NAN[31:16] : flushed[31:16] + {15'b0, up};
endfunction

// To BF16, up with the probability of what is cut off; `random` has 16 bits.
function automatic logic [15:0] fp_to_bf16_stochastic(input logic [31:0] x, input logic [15:0] random);
  logic [31:0] sum;
  sum = fp_flush(x) + {16'b0, random};
  if (fp_is_nan(x)) fp_to_bf16_stochastic = FP_NAN[31:16];
  else if (&x[30:23]) fp_to_bf16_stochastic = x[31:16];
  else fp_to_bf16_stochastic = 16'(sum >> 16);
endfunction

// Signed integer to FP32, nearest even.
function automatic logic [31:0] fp_from_int(input logic [31:0] x);
  logic [31:0] normal;
  logic [7:0] exponent;
  logic up;
  normal = x[31] ? -x : x;
  exponent = 8'd158;
  for (int i = 4; i >= 0; i--) begin
    if ((normal >> (32 - (1 << i))) == '0) begin
      normal = normal << (1 << i);
      exponent = exponent - 8'(1 << i);
    end
  end
  up = normal[7] && (normal[6:0] != '0 || normal[8]);
  fp_from_int = x == '0 ? '0 : {x[31], {exponent, normal[30:8]} + {30'b0, up}};
endfunction

// FP32 to signed integer: to nearest even, or towards zero, or down. Out of range the nearest there is; a NaN gives 0.
function automatic logic [31:0] fp_to_int(input logic [31:0] x, input logic towards_zero, input logic down);
  logic [55:0] shifted;  // 32 bits before the point, 24 after it
  logic [7:0] distance;
  logic up;
  logic [31:0] magnitude;
  distance = 8'd157 - x[30:23];
  if (distance > 8'd33) distance = 8'd33;  // less than a quarter: what is left shows that it is not zero
  shifted = {1'b0, 1'b1, x[22:0], 31'b0} >> distance;
  if (distance >= 8'd32) shifted[0] = 1'b1;
  if (down) up = x[31] && shifted[23:0] != '0;
  else up = !towards_zero && shifted[23] && (shifted[22:0] != '0 || shifted[24]);
  magnitude = shifted[55:24] + {31'b0, up};
  if (fp_is_nan(x) || x[30:23] == '0) fp_to_int = '0;
  else if (x[30:23] >= 8'd158) fp_to_int = x[31] ? 32'h8000_0000 : 32'h7fff_ffff;
  else fp_to_int = x[31] ? -magnitude : magnitude;
endfunction

// A signed integer to -128 .. 127.
function automatic logic [31:0] int_saturate8(input logic [31:0] x);
  if ($signed(x) > 127) int_saturate8 = 32'd127;
  else if ($signed(x) < -128) int_saturate8 = -32'd128;
  else int_saturate8 = x;
endfunction

// The generator of stochastic rounding: the state after `state`, and the one that a lane begins with.
function automatic logic [31:0] xorshift(input logic [31:0] state);
  logic [31:0] s;
  s = state ^ (state << 13);
  s = s ^ (s >> 17);
  xorshift = s ^ (s << 5);
endfunction
function automatic logic [31:0] xorshift_seed(input logic [31:0] seed, input logic [31:0] lane);
  logic [31:0] s;
  s = seed ^ (32'h9e37_79b9 * (lane + 32'd1));
  xorshift_seed = s == '0 ? 32'd1 : s;
endfunction

`endif
