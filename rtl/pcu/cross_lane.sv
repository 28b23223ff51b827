// The cross-lane network: log2(LANES) levels of exchange and a register before each and at the end, so a firing takes
// log2(LANES) + 1 cycles. Operations and their topologies: models/fabric/pcu/README.md, "Across lanes". What travels with
// the firing waits in a queue meanwhile. A register that the operation saves is the one at the network's end.
//
// Maxima and minima, with or without the lane's number, are one comparison of keys: of {takes part, NaN, value as an unsigned
// integer in whose order the larger one wins}.
`include "firing.svh"
`include "fp.svh"

module cross_lane #(
    parameter LANES = 32
) (
    input  logic                    clk,
    input  logic                    rst_n,
    input  logic                    start,
    input  logic [31:0]             word,       // configuration of the stage
    input  logic [5:0]              active_lanes,
    // from the stage
    input  logic                    in_valid,
    input  logic                    in_crosses,
    input  logic [4:0]              in_amount,
    input  logic [FIRING_WIDTH-1:0] in_firing,
    input  logic [128*LANES-1:0]    in_inputs,
    input  logic [128*LANES-1:0]    in_registers,
    input  logic [32*LANES-1:0]     in_prev,
    // to the next
    output logic                    valid,
    output logic [FIRING_WIDTH-1:0] firing,
    output logic [128*LANES-1:0]    inputs,
    output logic [128*LANES-1:0]    registers,
    output logic [32*LANES-1:0]     prev
);
  localparam VECTOR = 32 * LANES;
  localparam LEVELS = $clog2(LANES);
  localparam INDEX = LEVELS > 0 ? LEVELS : 1;
  localparam WAITING = LEVELS + 1;
  localparam POINTER = $clog2(WAITING);
  localparam REST = FIRING_WIDTH + 8 * VECTOR;

  // The operation.
  logic [6:0] op;
  logic saves, is_float, largest, smallest, numbered, scans, sums, floods, moves, beyond;
  logic [1:0] saved;
  assign op = word[PCU_STAGE_OP_LSB+:PCU_STAGE_OP_WIDTH];
  assign saves = word[PCU_STAGE_SAVE_LSB];
  assign saved = word[PCU_STAGE_REG_LSB+:PCU_STAGE_REG_WIDTH];
  always_comb begin
    is_float = op == PCU_STAGE_OP_FRED_MAX || op == PCU_STAGE_OP_FRED_MIN || op == PCU_STAGE_OP_FARGMAX ||
               op == PCU_STAGE_OP_FARGMIN || op == PCU_STAGE_OP_FSCAN_MAX;
    numbered = op == PCU_STAGE_OP_FARGMAX || op == PCU_STAGE_OP_FARGMIN || op == PCU_STAGE_OP_IARGMAX ||
               op == PCU_STAGE_OP_IARGMIN;
    largest = op == PCU_STAGE_OP_FRED_MAX || op == PCU_STAGE_OP_FARGMAX || op == PCU_STAGE_OP_FSCAN_MAX ||
              op == PCU_STAGE_OP_IRED_MAX || op == PCU_STAGE_OP_IARGMAX;
    smallest = op == PCU_STAGE_OP_FRED_MIN || op == PCU_STAGE_OP_FARGMIN || op == PCU_STAGE_OP_IRED_MIN ||
               op == PCU_STAGE_OP_IARGMIN;
    scans = op == PCU_STAGE_OP_FSCAN_SUM || op == PCU_STAGE_OP_FSCAN_MAX || op == PCU_STAGE_OP_ISCAN_SUM;
    sums = op == PCU_STAGE_OP_FRED_SUM || op == PCU_STAGE_OP_FSCAN_SUM;
    floods = op == PCU_STAGE_OP_BCAST;
    moves = floods || op == PCU_STAGE_OP_UP || op == PCU_STAGE_OP_DOWN;
    beyond = moves && 32'(in_amount) >= LANES;
  end

  // Entry: idle lanes hold what changes nothing; keys are made.
  function automatic logic [31:0] key_of(input logic [31:0] x);
    logic [31:0] rising;
    rising = is_float ? fp_key(x) : {!x[31], x[30:0]};
    key_of = smallest ? ~rising : rising;
  endfunction
  function automatic logic [31:0] of_key(input logic [31:0] key);
    logic [31:0] rising;
    rising = smallest ? ~key : key;
    of_key = is_float ? fp_of_key(rising) : {!rising[31], rising[30:0]};
  endfunction

  logic [VECTOR-1:0] entry;
  logic [LANES-1:0] entry_part, entry_nan;
  always_comb begin
    entry = in_prev;
    entry_part = '0;
    entry_nan = '0;
    if (in_crosses) begin
      for (int i = 0; i < LANES; i++) begin
        entry_part[i] = 6'(i) < active_lanes;
        entry_nan[i] = is_float && fp_is_nan(in_prev[32*i+:32]);
        if (!entry_part[i] || beyond) entry[32*i+:32] = op == PCU_STAGE_OP_RED_AND ? '1 : '0;
        else if (largest || smallest) entry[32*i+:32] = key_of(in_prev[32*i+:32]);
        // A chip with fewer lanes than a vector has: the others' zeros take part in a sum.
        else if (LANES < 32 && op == PCU_STAGE_OP_FRED_SUM && in_prev[32*i+23+:8] == '0) entry[32*i+:32] = '0;
      end
    end
  end

  // Levels.
  genvar l;
  generate
    for (l = 0; l < LEVELS; l++) begin : level
      localparam HALF = LANES >> (l + 1);
      localparam STEP = 1 << l;
      logic here, crosses;
      logic [4:0] amount;
      logic [VECTOR-1:0] x, partner, sum, next;
      logic [LANES-1:0] part, nan, next_nan;
      /* verilator lint_off UNUSEDSIGNAL */
      logic [LANES-1:0] next_part;  // the last level's is nobody's
      /* verilator lint_on UNUSEDSIGNAL */
      logic [LANES*INDEX-1:0] number, next_number;
      logic [31:0] lowest;  // lane 0's operand as it is: no operation of a scan touches it

      if (l == 0) begin : first
        always_ff @(posedge clk) begin
          if (in_valid) begin
            x <= entry;
            amount <= in_amount;
            part <= entry_part;
            nan <= entry_nan;
            lowest <= in_prev[31:0];
            for (int i = 0; i < LANES; i++) number[INDEX*i+:INDEX] <= INDEX'(i);
          end
          here <= rst_n && !start && in_valid;
          crosses <= in_crosses;
        end
      end else begin : further
        always_ff @(posedge clk) begin
          if (level[l-1].here) begin
            x <= level[l-1].next;
            amount <= level[l-1].amount;
            part <= level[l-1].next_part;
            nan <= level[l-1].next_nan;
            lowest <= level[l-1].lowest;
            number <= level[l-1].next_number;
          end
          here <= rst_n && !start && level[l-1].here;
          crosses <= level[l-1].crosses;
        end
      end

      // The lane that lane i meets here: one at a distance (a scan), or across (a reduction).
      function automatic int other(input int i);
        other = scans ? (i + LANES - STEP) % LANES : i ^ HALF;
      endfunction
      always_comb begin
        partner = '0;
        if (here && crosses) begin
          for (int i = 0; i < LANES; i++) partner[32*i+:32] = x[32*other(i)+:32];
        end
      end

      fma #(.FRAC(23), .LANES(LANES)) adder (.en(here && crosses && sums), .a(partner), .b({LANES{FP_ONE}}), .c(x), .y(sum));

      function automatic logic wins(input int i, input int o);
        logic [33:0] mine, others;
        mine = {part[i], nan[i], nan[i] ? 32'b0 : x[32*i+:32]};
        others = {part[o], nan[o], nan[o] ? 32'b0 : x[32*o+:32]};
        wins = others > mine || (others == mine && number[INDEX*o+:INDEX] < number[INDEX*i+:INDEX]);
      endfunction

      always_comb begin
        next = x;
        next_part = part;
        next_nan = nan;
        next_number = number;
        if (here && crosses) begin
          for (int i = 0; i < LANES; i++) begin
            if (op == PCU_STAGE_OP_UP) begin
              if (amount[l]) next[32*i+:32] = i >= STEP ? x[32*(i-STEP)+:32] : '0;
            end else if (op == PCU_STAGE_OP_DOWN) begin
              if (amount[l]) next[32*i+:32] = i + STEP < LANES ? x[32*(i+STEP)+:32] : '0;
            end else if (floods) begin
              if (((5'(i) ^ amount) & 5'(HALF)) != '0) next[32*i+:32] = partner[32*i+:32];
            end else if (!scans || i >= STEP) begin
              if (largest || smallest) begin
                if (wins(i, other(i))) begin
                  next[32*i+:32] = partner[32*i+:32];
                  next_part[i] = part[other(i)];
                  next_nan[i] = nan[other(i)];
                  next_number[INDEX*i+:INDEX] = number[INDEX*other(i)+:INDEX];
                end
              end else begin
                case (op)
                  PCU_STAGE_OP_RED_AND: next[32*i+:32] = x[32*i+:32] & partner[32*i+:32];
                  PCU_STAGE_OP_RED_OR: next[32*i+:32] = x[32*i+:32] | partner[32*i+:32];
                  PCU_STAGE_OP_RED_XOR: next[32*i+:32] = x[32*i+:32] ^ partner[32*i+:32];
                  PCU_STAGE_OP_IRED_SUM, PCU_STAGE_OP_ISCAN_SUM: next[32*i+:32] = x[32*i+:32] + partner[32*i+:32];
                  default: next[32*i+:32] = sum[32*i+:32];
                endcase
              end
            end
          end
        end
      end
    end
  endgenerate

  // What travels along: a queue, because firings leave in their order.
  logic [REST-1:0] waiting[WAITING];
  logic [REST-1:0] rest;
  logic [POINTER-1:0] put, taken;
  function automatic logic [POINTER-1:0] after(input logic [POINTER-1:0] place);
    after = place == POINTER'(WAITING - 1) ? '0 : place + 1'b1;
  endfunction
  logic leaves, leaves_crossing;
  assign leaves = level[LEVELS-1].here;
  assign leaves_crossing = level[LEVELS-1].crosses;
  assign rest = waiting[taken];

  // Exit.
  logic [VECTOR-1:0] result;
  always_comb begin
    result = level[LEVELS-1].next;
    if (leaves && leaves_crossing) begin
      for (int i = 0; i < LANES; i++) begin
        if (numbered) result[32*i+:32] = 32'(level[LEVELS-1].next_number[INDEX*i+:INDEX]);
        else if (largest || smallest) begin
          if (scans && i == 0) result[31:0] = level[LEVELS-1].lowest;
          else if (level[LEVELS-1].next_nan[i]) result[32*i+:32] = FP_NAN;
          else result[32*i+:32] = of_key(level[LEVELS-1].next[32*i+:32]);
        end
      end
    end
  end

  always_ff @(posedge clk) begin
    if (in_valid) waiting[put] <= {in_firing, in_inputs, in_registers};
    if (leaves) begin
      firing <= rest[8*VECTOR+:FIRING_WIDTH];
      inputs <= rest[4*VECTOR+:4*VECTOR];
      prev <= result;
    end
    for (int r = 0; r < 4; r++) begin
      if (start) registers[VECTOR*r+:VECTOR] <= '0;
      else if (leaves) begin
        if (!saves || saved != 2'(r)) registers[VECTOR*r+:VECTOR] <= rest[VECTOR*r+:VECTOR];
        else if (leaves_crossing) registers[VECTOR*r+:VECTOR] <= result;
      end
    end
    if (!rst_n || start) begin
      put <= '0;
      taken <= '0;
      valid <= 1'b0;
    end else begin
      if (in_valid) put <= after(put);
      if (leaves) taken <= after(taken);
      valid <= leaves;
    end
  end
endmodule
