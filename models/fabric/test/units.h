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

/// Counters whose counts and strides lie in arrays of their own.
inline void set_loops(ConfigWords& words, uint64_t counts, uint64_t strides,
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
  set_loops(words, regs::agcu::kLOAD_COUNT_OFFSET, regs::agcu::kLOAD_STRIDE_OFFSET, loops);
}

inline void set_store(ConfigWords& words, uint64_t base, uint32_t row_bytes,
                      std::initializer_list<Loop> loops) {
  words.set(regs::agcu::kSTORE_OFFSET, regs::agcu::STORE::ENABLE, 1);
  words.set(regs::agcu::kSTORE_ROW_BYTES_OFFSET, row_bytes);
  words.set64(regs::agcu::kSTORE_BASE_OFFSET, base);
  set_loops(words, regs::agcu::kSTORE_COUNT_OFFSET, regs::agcu::kSTORE_STRIDE_OFFSET, loops);
}

/// A word or field of write pipeline w, of read pipeline r.
inline constexpr uint64_t pmu_write(unsigned w, uint64_t offset) {
  return regs::pmu::kWRITE_OFFSET + w * regs::pmu::kWRITE_STRIDE + offset;
}
inline constexpr uint64_t pmu_read(unsigned r, uint64_t offset) {
  return regs::pmu::kREAD_OFFSET + r * regs::pmu::kREAD_STRIDE + offset;
}

/// Write pipeline w stores what comes by input `data`; `wait` and `give` are masks of tokens.
inline void set_write(ConfigWords& words, unsigned w, unsigned data, uint32_t fills, uint32_t buffers,
                      uint32_t buffer_size, uint32_t base, std::initializer_list<Loop> loops, uint32_t wait,
                      uint32_t give) {
  using namespace regs::pmu;
  words.set(pmu_write(w, kWRITE_MODE_OFFSET), WRITE_MODE::ENABLE, 1);
  words.set(pmu_write(w, kWRITE_MODE_OFFSET), WRITE_MODE::DATA, data);
  words.set(pmu_write(w, kWRITE_BASE_OFFSET), base);
  words.set(pmu_write(w, kWRITE_FILLS_OFFSET), fills);
  words.set(pmu_write(w, kWRITE_BUFFERS_OFFSET), WRITE_BUFFERS::COUNT, buffers);
  words.set(pmu_write(w, kWRITE_BUFFER_SIZE_OFFSET), buffer_size);
  words.set(pmu_write(w, kWRITE_TOKEN_OFFSET), WRITE_TOKEN::WAIT, wait);
  words.set(pmu_write(w, kWRITE_TOKEN_OFFSET), WRITE_TOKEN::GIVE, give);
  set_loops(words, pmu_write(w, kWRITE_COUNT_OFFSET), pmu_write(w, kWRITE_STRIDE_OFFSET), loops);
}
/// Read pipeline r sends vectors.
inline void set_read(ConfigWords& words, unsigned r, uint32_t fills, uint32_t buffers, uint32_t buffer_size,
                     uint32_t base, std::initializer_list<Loop> loops, uint32_t wait, uint32_t give) {
  using namespace regs::pmu;
  words.set(pmu_read(r, kREAD_MODE_OFFSET), READ_MODE::ENABLE, 1);
  words.set(pmu_read(r, kREAD_BASE_OFFSET), base);
  words.set(pmu_read(r, kREAD_FILLS_OFFSET), fills);
  words.set(pmu_read(r, kREAD_BUFFERS_OFFSET), READ_BUFFERS::COUNT, buffers);
  words.set(pmu_read(r, kREAD_BUFFER_SIZE_OFFSET), buffer_size);
  words.set(pmu_read(r, kREAD_TOKEN_OFFSET), READ_TOKEN::WAIT, wait);
  words.set(pmu_read(r, kREAD_TOKEN_OFFSET), READ_TOKEN::GIVE, give);
  set_loops(words, pmu_read(r, kREAD_COUNT_OFFSET), pmu_read(r, kREAD_STRIDE_OFFSET), loops);
}
/// Write pipeline 0 fills `buffers` buffers in turn and read pipeline 0 reads them: token 0 is a free buffer,
/// token 1 a full one.
inline void set_pmu(ConfigWords& words, uint32_t fills, uint32_t buffers, uint32_t buffer_size,
                    std::initializer_list<Loop> write, std::initializer_list<Loop> read) {
  set_write(words, 0, 0, fills, buffers, buffer_size, 0, write, 1, 2);
  set_read(words, 0, fills, buffers, buffer_size, 0, read, 2, 1);
  words.set(regs::pmu::kTOKENS_OFFSET, buffers);
}
/// Range and predicate of the pipeline whose words begin at `pipeline` (pmu_write(w, 0), pmu_read(r, 0)).
inline void set_range(ConfigWords& words, uint64_t pipeline, uint64_t range, int32_t low, int32_t high) {
  using namespace regs::pmu;
  words.set(pipeline + kREAD_MODE_OFFSET, READ_MODE::RANGE, range);
  words.set(pipeline + kREAD_RANGE_LOW_OFFSET, static_cast<uint32_t>(low));
  words.set(pipeline + kREAD_RANGE_HIGH_OFFSET, static_cast<uint32_t>(high));
}
inline void set_predicate(ConfigWords& words, uint64_t pipeline, uint64_t pred, bool negate, unsigned level,
                          uint32_t value) {
  using namespace regs::pmu;
  words.set(pipeline + kREAD_MODE_OFFSET, READ_MODE::PRED, pred);
  words.set(pipeline + kREAD_MODE_OFFSET, READ_MODE::NOT, negate ? 1 : 0);
  words.set(pipeline + kREAD_MODE_OFFSET, READ_MODE::PRED_LEVEL, level);
  words.set(pipeline + kREAD_PRED_VALUE_OFFSET, value);
}
/// Read pipeline r gathers by the indices of input `input`; outside low .. high - 1 it gives zeros.
inline void set_index(ConfigWords& words, unsigned r, unsigned input, int32_t stride, int32_t low,
                      int32_t high) {
  using namespace regs::pmu;
  words.set(pmu_read(r, kREAD_MODE_OFFSET), READ_MODE::ADDRESS, READ_MODE::ADDRESS_INDEX);
  words.set(pmu_read(r, kREAD_MODE_OFFSET), READ_MODE::INDEX, input);
  words.set(pmu_read(r, kREAD_INDEX_STRIDE_OFFSET), static_cast<uint32_t>(stride));
  set_range(words, pmu_read(r, 0), READ_MODE::RANGE_ZERO, low, high);
}
/// Write pipeline w scatters by the indices of input `input`.
inline void set_scatter(ConfigWords& words, unsigned w, unsigned input, int32_t stride, int32_t low,
                        int32_t high) {
  using namespace regs::pmu;
  words.set(pmu_write(w, kWRITE_MODE_OFFSET), WRITE_MODE::ADDRESS, WRITE_MODE::ADDRESS_INDEX);
  words.set(pmu_write(w, kWRITE_MODE_OFFSET), WRITE_MODE::INDEX, input);
  words.set(pmu_write(w, kWRITE_INDEX_STRIDE_OFFSET), static_cast<uint32_t>(stride));
  set_range(words, pmu_write(w, 0), WRITE_MODE::RANGE_DROP, low, high);
}
/// Write pipeline w writes packets where their sequence ids say.
inline void set_by_sequence(ConfigWords& words, unsigned w, int32_t stride, int32_t low, int32_t high) {
  using namespace regs::pmu;
  words.set(pmu_write(w, kWRITE_MODE_OFFSET), WRITE_MODE::ADDRESS, WRITE_MODE::ADDRESS_SEQUENCE);
  words.set(pmu_write(w, kWRITE_INDEX_STRIDE_OFFSET), static_cast<uint32_t>(stride));
  set_range(words, pmu_write(w, 0), WRITE_MODE::RANGE_DROP, low, high);
}
/// Of each packet its first `bytes` are stored, one behind the other.
inline void set_write_bytes(ConfigWords& words, unsigned bytes) {
  using namespace regs::pmu;
  words.set(pmu_write(0, kWRITE_SHAPE_OFFSET), WRITE_SHAPE::LANES, bytes);
  words.set(pmu_write(0, kWRITE_SHAPE_OFFSET), WRITE_SHAPE::ELEMENT, WRITE_SHAPE::ELEMENT_BYTE);
  words.set(pmu_write(0, kWRITE_LANE_STRIDE_OFFSET), 1);
}
/// Vectors are `lanes` elements (READ_SHAPE::ELEMENT_*), lane_stride bytes apart.
inline void set_read_lanes(ConfigWords& words, unsigned lanes, uint64_t element, int32_t lane_stride) {
  using namespace regs::pmu;
  words.set(pmu_read(0, kREAD_SHAPE_OFFSET), READ_SHAPE::LANES, lanes);
  words.set(pmu_read(0, kREAD_SHAPE_OFFSET), READ_SHAPE::ELEMENT, element);
  words.set(pmu_read(0, kREAD_LANE_STRIDE_OFFSET), static_cast<uint32_t>(lane_stride));
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
