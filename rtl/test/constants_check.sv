// Reads every generated file of constants, and holds a few against the values that their descriptions give.
`include "all.svh"

module constants_check;
  if (PCU_STAGE_OFFSET != 32'h140) $error("PCU.STAGE");
  if (PCU_PROGRAM_MODE_MODE_MATRIX != 2'd2) $error("PCU.PROGRAM.MODE.MATRIX");
  if (SWITCH_ROUTE_COUNT != 168) $error("SWITCH.ROUTE");
  if (HOSTIF_MAGIC_RESET != 32'h31554452) $error("HOSTIF.MAGIC");
  if (PMU_READ_STRIDE != 'h80 || PMU_READ_STRIDE_OFFSET != 32'h48 || PMU_READ_STRIDE_COUNT != 6) $error("PMU.READ.STRIDE");
endmodule
