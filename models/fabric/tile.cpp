#include "fabric/tile.h"

#include "core/error.h"
#include "fabric/agcu/sequencer.h"
#include "fabric/math/kernels.h"

namespace rdu::fabric {

class Tile::Impl {
 public:
  Impl(const std::string& tile, const FabricParams& params, core::TransferPort& port,
       core::AddressTranslator& slb, uint32_t first_initiator, core::InterruptLine& interrupt)
      : sequencer("sequencer", tile, params, port, slb, first_initiator, interrupt) {}

  Sequencer sequencer;
};

Tile::Tile(sc_core::sc_module_name name, const FabricParams& params, core::TransferPort& port,
           core::AddressTranslator& slb, uint32_t first_initiator_id)
    : sc_module(name) {
  params.check();
  kernels();  // chosen, and tested, before anything is simulated
  impl_ = std::make_unique<Impl>(this->name(), params, port, slb, first_initiator_id, interrupt);
}

Tile::~Tile() = default;

core::RegisterPort& Tile::registers() {
  return impl_->sequencer.port();
}

void Tile::host_reset() {
  impl_->sequencer.host_reset();
}

void Tile::jam() {
  impl_->sequencer.jam();
}

bool Tile::spoil(uint64_t row, uint64_t column, uint64_t address, uint64_t bits) {
  return impl_->sequencer.spoil(row, column, address, bits);
}

TileStatistics Tile::statistics() const {
  return impl_->sequencer.statistics();
}

std::vector<UnitStatistics> Tile::unit_statistics() const {
  return impl_->sequencer.unit_statistics();
}

}  // namespace rdu::fabric
