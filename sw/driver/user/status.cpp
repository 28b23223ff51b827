#include "user/status.h"

#include <fmt/format.h>

#include "fabric/program.h"
#include "rdu_abi.h"
#include "rdu_boot_text.h"
#include "regs/sequencer.h"
#include "regs/sysctl.h"

namespace rdu::user {

std::string address_text(uint64_t virtual_address) {
  const uint64_t segment = virtual_address >> RDU_SEGMENT_SHIFT;
  const uint64_t offset = virtual_address & ((1ull << RDU_SEGMENT_SHIFT) - 1);
  switch (segment) {
    case RDU_SEGMENT_HBM:
      return fmt::format("HBM offset {:#x}", offset);
    case RDU_SEGMENT_DDR:
      return fmt::format("DDR offset {:#x}", offset);
    case RDU_SEGMENT_HOST:
      return fmt::format("host address {:#x}", offset);
    case 0:
      return fmt::format("address {:#x} (in no memory)", virtual_address);
    default:
      return fmt::format("address {:#x} (no such segment)", virtual_address);
  }
}

std::string unit_text(uint32_t unit) {
  const uint32_t row = RDU_UNIT_ROW(unit), column = RDU_UNIT_COL(unit);
  switch (RDU_UNIT_KIND(unit)) {
    case RDU_UNIT_PCU:
      return fmt::format("pcu[{}][{}]", row, column);
    case RDU_UNIT_PMU:
      return fmt::format("pmu[{}][{}]", row, column);
    case RDU_UNIT_SWITCH:
      return fmt::format("switch[{}][{}]", row, column);
    case RDU_UNIT_AGCU:
      return fmt::format("agcu[{}][{}]", row, column == 0 ? "west" : "east");
    default:
      return fmt::format("unit {:#x}", unit);
  }
}

std::string opcode_text(uint8_t opcode) {
  switch (opcode) {
    case RDU_ADMIN_IDENTIFY:
      return "IDENTIFY";
    case RDU_ADMIN_CREATE_CONTEXT:
      return "CREATE_CONTEXT";
    case RDU_ADMIN_DELETE_CONTEXT:
      return "DELETE_CONTEXT";
    case RDU_ADMIN_CREATE_QUEUE:
      return "CREATE_QUEUE";
    case RDU_ADMIN_DELETE_QUEUE:
      return "DELETE_QUEUE";
    case RDU_ADMIN_READ_LOG:
      return "READ_LOG";
    case RDU_ADMIN_FW_WRITE:
      return "FW_WRITE";
    case RDU_ADMIN_FW_ACTIVATE:
      return "FW_ACTIVATE";
    case RDU_ADMIN_SET_THRESHOLD:
      return "SET_THRESHOLD";
    case RDU_ADMIN_INJECT:
      return "INJECT";
    case RDU_CMD_NOP:
      return "NOP";
    case RDU_CMD_COPY:
      return "COPY";
    case RDU_CMD_LOAD_PROGRAM:
      return "LOAD_PROGRAM";
    case RDU_CMD_LAUNCH:
      return "LAUNCH";
    case RDU_CMD_SCHEDULE:
      return "SCHEDULE";
    case RDU_CMD_EVENT:
      return "EVENT";
    default:
      return fmt::format("command {:#x}", opcode);
  }
}

namespace {

// Faults of the sequencer: program load, argument load, execution.
std::string sequencer_text(uint8_t opcode, uint16_t code, uint64_t result) {
  const char* who = opcode == RDU_CMD_LOAD_PROGRAM ? "the program load"
                    : opcode == RDU_CMD_SCHEDULE   ? "the schedule"
                                                   : "the kernel";
  // A result of 0 is no unit: the fault is of the stream as a whole.
  const std::string where =
      result == 0 ? "" : fmt::format(" (unit {})", unit_text(static_cast<uint32_t>(result)));
  switch (code) {
    case RDU_SEQUENCER_FAULT_CODE_NO_PROGRAM:
      return "no program is loaded";
    case RDU_SEQUENCER_FAULT_CODE_BAD_MAGIC:
      return "the configuration stream is none (bad magic number)";
    case RDU_SEQUENCER_FAULT_CODE_BAD_VERSION:
      return "the configuration stream has another version";
    case RDU_SEQUENCER_FAULT_CODE_BAD_SIZE:
      return "the configuration stream contradicts its own size";
    case RDU_SEQUENCER_FAULT_CODE_BAD_CRC:
      return "the configuration stream is damaged (checksum)";
    case RDU_SEQUENCER_FAULT_CODE_BAD_SHAPE:
      return "the program was made for a tile of another shape";
    case RDU_SEQUENCER_FAULT_CODE_BAD_UNIT:
      return "the program configures a unit that the tile does not have" + where;
    case RDU_SEQUENCER_FAULT_CODE_BAD_WORD:
      return "a configuration word does not exist" + where;
    case RDU_SEQUENCER_FAULT_CODE_BAD_CONFIG:
      return "a configuration makes no sense" + where;
    case RDU_SEQUENCER_FAULT_CODE_BAD_ROUTE:
      return "a route leads nowhere" + where;
    case RDU_SEQUENCER_FAULT_CODE_SEGMENT:
      return fmt::format("{} accessed {}, outside the context's memory", who, address_text(result));
    case RDU_SEQUENCER_FAULT_CODE_MEMORY:
      return fmt::format("{} accessed {}, which memory refused", who, address_text(result));
    case RDU_SEQUENCER_FAULT_CODE_HUNG:
      return "the kernel hung: no unit can go on" + where;
    case RDU_SEQUENCER_FAULT_CODE_SRAM_ECC:
      return "the kernel read a word that error correction could not mend" + where;
    case RDU_SEQUENCER_FAULT_CODE_SEQUENCE:
      return "two packets of a fill had the same sequence id" + where;
    case RDU_SEQUENCER_FAULT_CODE_ABORTED:
      return "it was aborted";
    case RDU_SEQUENCER_FAULT_CODE_BUSY:
      return "the tile is busy";
    case RDU_SEQUENCER_FAULT_CODE_BAD_SCHEDULE:
      return fmt::format("instruction {} of the schedule makes no sense", result);
    default:
      return fmt::format("the tile reported the unknown fault {:#x}", code);
  }
}

}  // namespace

std::string status_text(uint8_t opcode, uint16_t status, uint64_t result) {
  switch (status) {
    case RDU_STATUS_OK:
      return "it succeeded";
    case RDU_STATUS_BAD_OPCODE:
      return "the firmware does not know the command";
    case RDU_STATUS_BAD_ARGUMENT:
      return "an argument is wrong";
    case RDU_STATUS_BAD_CONTEXT:
      return "the context does not exist";
    case RDU_STATUS_BAD_QUEUE:
      return "the queue does not exist or its parameters are wrong";
    case RDU_STATUS_NO_MEMORY:
      return "not enough device memory is left";
    case RDU_STATUS_NO_RESOURCE:
      return "all of them are in use";
    case RDU_STATUS_IN_USE:
      return "it is in use";
    case RDU_STATUS_BAD_LOG_PAGE:
      return "the log page does not exist";
    case RDU_STATUS_TOO_HOT:
      return fmt::format("sensor {} is above its critical temperature; nothing is launched until it is below",
                         result);
    case RDU_STATUS_COPY_SEGMENT:
      return fmt::format("the copy accessed {}, outside the context's memory", address_text(result));
    case RDU_STATUS_COPY_DECODE:
      return fmt::format("the copy accessed {:#x}, where no memory is", result);
    case RDU_STATUS_COPY_DENIED:
      return fmt::format("the copy was not let to host memory at {:#x} (not mapped, or bus mastering is off)",
                         result);
    case RDU_STATUS_BAD_IMAGE:
      return boot_error_text(static_cast<uint32_t>(result));
    case RDU_STATUS_FLASH:
      return fmt::format("the flash refused (error {})", result);
    case RDU_STATUS_COPY_ECC:
      return fmt::format("the copy read {}, where memory holds an error that ECC cannot correct",
                         address_text(result));
    case RDU_STATUS_ABORTED:
      return "it was aborted";
    default:
      break;
  }
  if (status > RDU_STATUS_PROGRAM && status <= RDU_STATUS_PROGRAM + 0x7f)
    return sequencer_text(opcode, static_cast<uint16_t>(status - RDU_STATUS_PROGRAM), result);
  return fmt::format("the device reported the unknown status {:#x}", status);
}

std::string boot_stage_text(uint32_t stage) {
  switch (stage) {
    case RDU_SYSCTL_BOOT_STAGE_STAGE_RESET:
      return "RESET";
    case RDU_SYSCTL_BOOT_STAGE_STAGE_ROM:
      return "ROM";
    case RDU_SYSCTL_BOOT_STAGE_STAGE_FIRMWARE:
      return "FIRMWARE";
    case RDU_SYSCTL_BOOT_STAGE_STAGE_TRAINING:
      return "TRAINING";
    case RDU_SYSCTL_BOOT_STAGE_STAGE_READY:
      return "READY";
    case RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY:
      return "RECOVERY";
    case RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED:
      return "FAILED";
    default:
      return fmt::format("unknown stage {}", stage);
  }
}

std::string boot_error_text(uint32_t error) {
  return rdu_boot_text(error);
}

}  // namespace rdu::user
