#pragma once

#include <array>
#include <memory>

#include "core/worker_pool.h"
#include "fabric/pcu/pcu_config.h"
#include "fabric/stream/block.h"

namespace rdu::fabric {

/// The packets of a tile of a product, which somebody may compute before they are looked at.
class Product final : public PacketSource, private core::Job {
 public:
  /// Of `program.k` steps. `program` is that of the execution.
  static SourceRef create(std::shared_ptr<const PcuConfig::Program> program,
                          std::shared_ptr<const Panel> lanes, std::shared_ptr<const Panel> rows);

  void make(uint8_t* out, uint64_t first, unsigned packets) override;

 private:
  Product(std::shared_ptr<const PcuConfig::Program> program, std::shared_ptr<const Panel> lanes,
          std::shared_ptr<const Panel> rows);
  void run() override;
  void unused() override;

  std::shared_ptr<const PcuConfig::Program> program_;
  std::shared_ptr<const Panel> lanes_;
  std::shared_ptr<const Panel> rows_;
  alignas(64) std::array<uint32_t, 8 * kLanes> result_{};  ///< the packets
};

}  // namespace rdu::fabric
