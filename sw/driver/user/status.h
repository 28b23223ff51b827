// Texts for what the device reports.
#pragma once

#include <cstdint>
#include <string>

namespace rdu::user {

// "HBM offset 0x1000" for a virtual address of a context.
std::string address_text(uint64_t virtual_address);
// "pcu[2][3]", "agcu[0][west]" for a unit id (fabric/program.h).
std::string unit_text(uint32_t unit);
// "READ_LOG", "LAUNCH"; "command 0x77" for one that is unknown.
std::string opcode_text(uint8_t opcode);
// Why a command ended as it did: "the copy accessed HBM offset 0x..., outside the context's memory". `result`
// is the completion's.
std::string status_text(uint8_t opcode, uint16_t status, uint64_t result);
// "TRAINING" for CSTS.STAGE.
std::string boot_stage_text(uint32_t stage);
// "HBM training failed" for CSTS.ERROR.
std::string boot_error_text(uint32_t error);

}  // namespace rdu::user
