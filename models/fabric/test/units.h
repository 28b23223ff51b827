#pragma once

#include <cstdint>
#include <initializer_list>

#include "fabric/config.h"
#include "regs/agcu.hpp"
#include "regs/pcu.hpp"
#include "regs/pmu.hpp"

/// Short ways to write configuration words.
namespace rdu::fabric::test {

struct Loop {
  uint32_t count;
  int32_t stride;
};

inline void set_loops(ConfigWords& words, uint64_t offset, std::initializer_list<Loop> loops) {
  for (const Loop& loop : loops) {
    words.set(offset, loop.count);
    words.set(offset + 4, static_cast<uint32_t>(loop.stride));
    offset += 8;
  }
}

inline void set_rows(ConfigWords& words, uint64_t counts, uint64_t strides,
                     std::initializer_list<Loop> loops) {
  for (const Loop& loop : loops) {
    words.set(counts, loop.count);
    words.set(strides, static_cast<uint32_t>(loop.stride));
    counts += 4;
    strides += 4;
  }
}

inline void set_load(ConfigWords& words, uint64_t base, uint32_t row_bytes,
                     std::initializer_list<Loop> loops) {
  words.set(regs::agcu::kLOAD_OFFSET, regs::agcu::LOAD::ENABLE, 1);
  words.set(regs::agcu::kLOAD_ROW_BYTES_OFFSET, row_bytes);
  words.set64(regs::agcu::kLOAD_BASE_OFFSET, base);
  set_rows(words, regs::agcu::kLOAD_COUNT_OFFSET, regs::agcu::kLOAD_STRIDE_OFFSET, loops);
}

inline void set_store(ConfigWords& words, uint64_t base, uint32_t row_bytes,
                      std::initializer_list<Loop> loops) {
  words.set(regs::agcu::kSTORE_OFFSET, regs::agcu::STORE::ENABLE, 1);
  words.set(regs::agcu::kSTORE_ROW_BYTES_OFFSET, row_bytes);
  words.set64(regs::agcu::kSTORE_BASE_OFFSET, base);
  set_rows(words, regs::agcu::kSTORE_COUNT_OFFSET, regs::agcu::kSTORE_STRIDE_OFFSET, loops);
}

inline void set_pmu(ConfigWords& words, uint32_t fills, uint32_t buffers, uint32_t buffer_size,
                    std::initializer_list<Loop> write, std::initializer_list<Loop> read) {
  words.set(regs::pmu::kMODE_OFFSET, regs::pmu::MODE::ENABLE, 1);
  words.set(regs::pmu::kFILLS_OFFSET, fills);
  words.set(regs::pmu::kBUFFERS_OFFSET, regs::pmu::BUFFERS::COUNT, buffers);
  words.set(regs::pmu::kBUFFER_SIZE_OFFSET, buffer_size);
  set_loops(words, regs::pmu::kWRITE_COUNTER_OFFSET, write);
  set_loops(words, regs::pmu::kREAD_COUNTER_OFFSET, read);
}

struct Stage {
  uint64_t op;
  uint64_t a = regs::pcu::STAGE::A_PREV;
  uint64_t b = regs::pcu::STAGE::A_PREV;
  int save = -1;
};

/// Program 0 of a PCU, over `range` stages from stage 0 on.
inline void set_simd(ConfigWords& words, uint32_t vectors, std::initializer_list<Stage> stages,
                     uint64_t range = 6) {
  using namespace regs::pcu;
  words.set(kPROGRAM_MODE_OFFSET, PROGRAM_MODE::MODE, PROGRAM_MODE::MODE_SIMD);
  words.set(kPROGRAM_MODE_OFFSET, PROGRAM_MODE::STAGES, range);
  words.set(kPROGRAM_COUNT_OFFSET, vectors);
  uint64_t offset = kSTAGE_OFFSET;
  for (const Stage& stage : stages) {
    words.set(offset, STAGE::OP, stage.op);
    words.set(offset, STAGE::A, stage.a);
    words.set(offset, STAGE::B, stage.b);
    if (stage.save >= 0) {
      words.set(offset, STAGE::SAVE, 1);
      words.set(offset, STAGE::REG, static_cast<uint64_t>(stage.save));
    }
    offset += kSTAGE_STRIDE;
  }
}

inline void set_pcu_format(ConfigWords& words, uint64_t format) {
  words.set(regs::pcu::kPROGRAM_OUT_OFFSET, regs::pcu::PROGRAM_OUT::FORMAT, format);
}
inline void set_pcu_input(ConfigWords& words, unsigned input, uint64_t format) {
  words.set(regs::pcu::kINPUT_OFFSET + input * regs::pcu::kINPUT_STRIDE, regs::pcu::INPUT::FORMAT, format);
}

inline void set_matrix(ConfigWords& words, uint32_t tiles, uint32_t k, uint32_t rows) {
  using namespace regs::pcu;
  words.set(kPROGRAM_MODE_OFFSET, PROGRAM_MODE::MODE, PROGRAM_MODE::MODE_MATRIX);
  words.set(kPROGRAM_COUNT_OFFSET, tiles);
  words.set(kPROGRAM_MATRIX_OFFSET, PROGRAM_MATRIX::K, k);
  words.set(kPROGRAM_MATRIX_OFFSET, PROGRAM_MATRIX::ROWS, rows);
}

}  // namespace rdu::fabric::test
