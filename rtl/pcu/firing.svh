// What belongs to a firing and travels with it through the stages, besides its vectors; and what operations read.
`ifndef RDU_PCU_FIRING_SVH
`define RDU_PCU_FIRING_SVH
`include "pcu.svh"

localparam int FIRING_PRED = 0;       // predicates 3 .. 0; 0 always holds
localparam int FIRING_SEND = 4;       // it sends its result
localparam int FIRING_SIGNAL = 5;     // ... a token
localparam int FIRING_SCALARS = 6;    // S1, S0
localparam int FIRING_COUNTS = 70;    // counters 5 .. 0
localparam int FIRING_WIDTH = 262;

// Every operation reads A.
function automatic logic operation_reads_b(input logic [6:0] op);
  case (op)
    PCU_STAGE_OP_MOV, PCU_STAGE_OP_FABS, PCU_STAGE_OP_FNEG, PCU_STAGE_OP_IABS, PCU_STAGE_OP_INEG, PCU_STAGE_OP_NOT,
    PCU_STAGE_OP_I2F, PCU_STAGE_OP_F2I, PCU_STAGE_OP_F2I_ZERO, PCU_STAGE_OP_F2I_FLOOR, PCU_STAGE_OP_RBF16,
    PCU_STAGE_OP_SRBF16, PCU_STAGE_OP_SAT8:
      operation_reads_b = 1'b0;
    PCU_STAGE_OP_BCAST, PCU_STAGE_OP_UP, PCU_STAGE_OP_DOWN: operation_reads_b = 1'b1;
    default: operation_reads_b = !operation_crosses(op);
  endcase
endfunction

function automatic logic operation_reads_c(input logic [6:0] op);
  operation_reads_c = op == PCU_STAGE_OP_FMADD || op == PCU_STAGE_OP_FNMADD || op == PCU_STAGE_OP_SEL;
endfunction

// Operations of the cross-lane network are the upper half of the codes.
function automatic logic operation_crosses(input logic [6:0] op);
  operation_crosses = op >= PCU_STAGE_OP_FRED_SUM;
endfunction

`endif
