// One stage of the SIMD pipeline: selects operands, computes, keeps the result for the next cycle. A firing's inputs and
// registers travel with it; so the register that this stage saves is the one at its end, and its value before is what
// the last firing has left there. A cross-lane operation only begins here: `prev` is then its operand A, `amount` B of lane 0.
`include "firing.svh"
`include "fp.svh"

module stage #(
    parameter LANES = 32
) (
    input  logic                    clk,
    input  logic                    rst_n,
    input  logic                    start,
    input  logic [31:0]             word,          // configuration
    input  logic [127:0]            constants,
    // a firing comes
    input  logic                    in_valid,
    input  logic [FIRING_WIDTH-1:0] in_firing,
    input  logic [128*LANES-1:0]    in_inputs,
    input  logic [128*LANES-1:0]    in_registers,
    input  logic [32*LANES-1:0]     in_prev,
    // generator of stochastic rounding
    input  logic [32*LANES-1:0]     random,
    output logic                    random_take,
    // and goes
    output logic                    valid,
    output logic [FIRING_WIDTH-1:0] firing,
    output logic [128*LANES-1:0]    inputs,
    output logic [128*LANES-1:0]    registers,
    output logic [32*LANES-1:0]     prev,
    output logic                    crosses,       // the network has work with it
    output logic [4:0]              amount
);
  localparam VECTOR = 32 * LANES;

  logic [6:0] op;
  logic [1:0] pred_code, alt_code, saved;
  logic saves, active, alternative;
  assign op = word[PCU_STAGE_OP_LSB+:PCU_STAGE_OP_WIDTH];
  assign pred_code = word[PCU_STAGE_PRED_LSB+:PCU_STAGE_PRED_WIDTH];
  assign alt_code = word[PCU_STAGE_ALT_LSB+:PCU_STAGE_ALT_WIDTH];
  assign saves = word[PCU_STAGE_SAVE_LSB];
  assign saved = word[PCU_STAGE_REG_LSB+:PCU_STAGE_REG_WIDTH];
  assign active = in_valid && op != PCU_STAGE_OP_NOP && in_firing[FIRING_PRED+32'(pred_code)];
  assign alternative = alt_code != '0 && in_firing[FIRING_PRED+32'(alt_code)];

  // Operands.
  function automatic logic [VECTOR-1:0] lane_numbers();
    for (int i = 0; i < LANES; i++) lane_numbers[32*i+:32] = i;
  endfunction

  function automatic logic [VECTOR-1:0] operand(input logic [4:0] code);
    case (code)
      PCU_STAGE_A_IN0: operand = in_inputs[0*VECTOR+:VECTOR];
      PCU_STAGE_A_IN1: operand = in_inputs[1*VECTOR+:VECTOR];
      PCU_STAGE_A_IN2: operand = in_inputs[2*VECTOR+:VECTOR];
      PCU_STAGE_A_IN3: operand = in_inputs[3*VECTOR+:VECTOR];
      PCU_STAGE_A_S0: operand = {LANES{in_firing[FIRING_SCALARS+:32]}};
      PCU_STAGE_A_S1: operand = {LANES{in_firing[FIRING_SCALARS+32+:32]}};
      PCU_STAGE_A_LANE: operand = lane_numbers();
      PCU_STAGE_A_CONST0: operand = {LANES{constants[0+:32]}};
      PCU_STAGE_A_CONST1: operand = {LANES{constants[32+:32]}};
      PCU_STAGE_A_CONST2: operand = {LANES{constants[64+:32]}};
      PCU_STAGE_A_CONST3: operand = {LANES{constants[96+:32]}};
      PCU_STAGE_A_REG0: operand = saves && saved == 2'd0 ? registers[0*VECTOR+:VECTOR] : in_registers[0*VECTOR+:VECTOR];
      PCU_STAGE_A_REG1: operand = saves && saved == 2'd1 ? registers[1*VECTOR+:VECTOR] : in_registers[1*VECTOR+:VECTOR];
      PCU_STAGE_A_REG2: operand = saves && saved == 2'd2 ? registers[2*VECTOR+:VECTOR] : in_registers[2*VECTOR+:VECTOR];
      PCU_STAGE_A_REG3: operand = saves && saved == 2'd3 ? registers[3*VECTOR+:VECTOR] : in_registers[3*VECTOR+:VECTOR];
      PCU_STAGE_A_COUNT0: operand = {LANES{in_firing[FIRING_COUNTS+:32]}};
      PCU_STAGE_A_COUNT1: operand = {LANES{in_firing[FIRING_COUNTS+32+:32]}};
      PCU_STAGE_A_COUNT2: operand = {LANES{in_firing[FIRING_COUNTS+64+:32]}};
      PCU_STAGE_A_COUNT3: operand = {LANES{in_firing[FIRING_COUNTS+96+:32]}};
      PCU_STAGE_A_COUNT4: operand = {LANES{in_firing[FIRING_COUNTS+128+:32]}};
      PCU_STAGE_A_COUNT5: operand = {LANES{in_firing[FIRING_COUNTS+160+:32]}};
      default: operand = in_prev;
    endcase
  endfunction

  logic [VECTOR-1:0] a, b, c;
  logic accumulates;
  assign accumulates = op == PCU_STAGE_OP_FMADD || op == PCU_STAGE_OP_FNMADD;
  always_comb begin
    a = '0;
    b = '0;
    c = '0;
    if (active) begin
      a = operand(word[PCU_STAGE_A_LSB+:PCU_STAGE_A_WIDTH]);
      b = operand(alternative && !accumulates ? word[PCU_STAGE_C_LSB+:PCU_STAGE_C_WIDTH] : word[PCU_STAGE_B_LSB+:PCU_STAGE_B_WIDTH]);
      if (!(alternative && accumulates)) c = operand(word[PCU_STAGE_C_LSB+:PCU_STAGE_C_WIDTH]);
    end
  end

  // Sums and products: all of the fused multiply-add.
  logic is_fused;
  logic [VECTOR-1:0] factor1, factor2, addend, fused;
  assign is_fused = op == PCU_STAGE_OP_FADD || op == PCU_STAGE_OP_FSUB || op == PCU_STAGE_OP_FMUL || accumulates;
  always_comb begin
    factor1 = a;
    factor2 = b;
    addend = c;
    if (active && is_fused) begin
      if (op == PCU_STAGE_OP_FADD || op == PCU_STAGE_OP_FSUB) factor2 = {LANES{FP_ONE}};
      case (op)
        PCU_STAGE_OP_FADD: addend = b;
        PCU_STAGE_OP_FSUB: addend = b ^ {LANES{32'h8000_0000}};
        PCU_STAGE_OP_FMUL: addend = {LANES{32'h8000_0000}};
        PCU_STAGE_OP_FNMADD: factor1 = a ^ {LANES{32'h8000_0000}};
        default: ;
      endcase
    end
  end
  fma #(.FRAC(23), .LANES(LANES)) multiply_add (.en(active && is_fused), .a(factor1), .b(factor2), .c(addend), .y(fused));

  // Everything else, lane by lane.
  function automatic logic [31:0] truth(input logic is_so);
    truth = {32{is_so}};
  endfunction

  function automatic logic [31:0] simple(input logic [31:0] x, input logic [31:0] y, input logic [31:0] z, input logic [15:0] r);
    case (op)
      PCU_STAGE_OP_FMAX: simple = fp_max(x, y);
      PCU_STAGE_OP_FMIN: simple = fp_min(x, y);
      PCU_STAGE_OP_FABS: simple = fp_is_nan(x) ? FP_NAN : {1'b0, x[30:0]};
      PCU_STAGE_OP_FNEG: simple = fp_is_nan(x) ? FP_NAN : {!x[31], x[30:0]};
      PCU_STAGE_OP_FEQ: simple = truth(fp_equal(x, y));
      PCU_STAGE_OP_FNE: simple = truth(!fp_equal(x, y));
      PCU_STAGE_OP_FLT: simple = truth(fp_less(x, y));
      PCU_STAGE_OP_FLE: simple = truth(fp_less(x, y) || fp_equal(x, y));
      PCU_STAGE_OP_IADD: simple = x + y;
      PCU_STAGE_OP_ISUB: simple = x - y;
      PCU_STAGE_OP_IMUL: simple = x * y;
      PCU_STAGE_OP_IMAX: simple = $signed(x) > $signed(y) ? x : y;
      PCU_STAGE_OP_IMIN: simple = $signed(x) < $signed(y) ? x : y;
      PCU_STAGE_OP_IABS: simple = x[31] ? -x : x;
      PCU_STAGE_OP_INEG: simple = -x;
      PCU_STAGE_OP_IEQ: simple = truth(x == y);
      PCU_STAGE_OP_INE: simple = truth(x != y);
      PCU_STAGE_OP_ILT: simple = truth($signed(x) < $signed(y));
      PCU_STAGE_OP_ILE: simple = truth($signed(x) <= $signed(y));
      PCU_STAGE_OP_ULT: simple = truth(x < y);
      PCU_STAGE_OP_ULE: simple = truth(x <= y);
      PCU_STAGE_OP_AND: simple = x & y;
      PCU_STAGE_OP_OR: simple = x | y;
      PCU_STAGE_OP_XOR: simple = x ^ y;
      PCU_STAGE_OP_ANDN: simple = x & ~y;
      PCU_STAGE_OP_NOT: simple = ~x;
      PCU_STAGE_OP_SHL: simple = x << y[4:0];
      PCU_STAGE_OP_SHR: simple = x >> y[4:0];
      PCU_STAGE_OP_SAR: simple = $unsigned($signed(x) >>> y[4:0]);
      PCU_STAGE_OP_SEL: simple = x != '0 ? y : z;
      PCU_STAGE_OP_I2F: simple = fp_from_int(x);
      PCU_STAGE_OP_F2I, PCU_STAGE_OP_F2I_ZERO, PCU_STAGE_OP_F2I_FLOOR:
        simple = fp_to_int(x, op == PCU_STAGE_OP_F2I_ZERO, op == PCU_STAGE_OP_F2I_FLOOR);
      PCU_STAGE_OP_RBF16: simple = {fp_to_bf16(x), 16'b0};
      PCU_STAGE_OP_SRBF16: simple = {fp_to_bf16_stochastic(x, r), 16'b0};
      PCU_STAGE_OP_SAT8: simple = int_saturate8(x);
      default: simple = x;  // MOV; operand A of what crosses lanes
    endcase
  endfunction

  logic [VECTOR-1:0] result;
  always_comb begin
    result = fused;
    if (active && !is_fused) begin
      for (int i = 0; i < LANES; i++) result[32*i+:32] = simple(a[32*i+:32], b[32*i+:32], c[32*i+:32], random[32*i+:16]);
    end
  end
  assign random_take = active && op == PCU_STAGE_OP_SRBF16;

  always_ff @(posedge clk) begin
    if (in_valid) begin
      firing <= in_firing;
      inputs <= in_inputs;
      prev <= active ? result : in_prev;
      amount <= b[4:0];
    end
    for (int r = 0; r < 4; r++) begin
      if (start) registers[VECTOR*r+:VECTOR] <= '0;
      else if (in_valid) begin
        if (!saves || operation_crosses(op) || saved != 2'(r)) registers[VECTOR*r+:VECTOR] <= in_registers[VECTOR*r+:VECTOR];
        else if (active) registers[VECTOR*r+:VECTOR] <= result;
      end
    end
    if (!rst_n || start) begin
      valid <= 1'b0;
      crosses <= 1'b0;
    end else begin
      valid <= in_valid;
      crosses <= active && operation_crosses(op);
    end
  end
endmodule
