#include "fabric/pcu/product.h"

#include <cstring>

#include "fabric/math/kernels.h"
#include "fabric/pcu/finish.h"

namespace rdu::fabric {

SourceRef Product::create(std::shared_ptr<const PcuConfig::Program> program,
                          std::shared_ptr<const Panel> lanes, std::shared_ptr<const Panel> rows) {
  auto* product = new Product(std::move(program), std::move(lanes), std::move(rows));
  SourceRef ref(*product);
  core::WorkerPool::instance().submit(*product);
  return ref;
}

Product::Product(std::shared_ptr<const PcuConfig::Program> program, std::shared_ptr<const Panel> lanes,
                 std::shared_ptr<const Panel> rows)
    : program_(std::move(program)), lanes_(std::move(lanes)), rows_(std::move(rows)) {}

void Product::run() {
  const FloatMode mode;
  alignas(64) std::array<float, 8 * kLanes> sums{};
  alignas(64) std::array<uint32_t, 8 * kLanes> values;
  kernels().matrix_packed(sums.data(), lanes_->data(), rows_->data(), program_->k, program_->rows);
  kernels().canonical(values.data(), sums.data(), program_->rows * kLanes);
  finish(*program_, reinterpret_cast<uint8_t*>(result_.data()), values.data(), program_->rows, nullptr);
}

void Product::make(uint8_t* out, uint64_t first, unsigned packets) {
  core::WorkerPool::instance().wait(*this);
  std::memcpy(out, reinterpret_cast<const uint8_t*>(result_.data()) + first * kPacketBytes,
              packets * kPacketBytes);
}

void Product::unused() {
  core::WorkerPool::instance().wait(*this);
  delete this;
}

}  // namespace rdu::fabric
