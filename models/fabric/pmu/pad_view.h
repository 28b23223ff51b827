#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "fabric/counters.h"
#include "fabric/pmu/vectors.h"
#include "fabric/stream/block.h"

namespace rdu::fabric {

class PadViews;

/// The vectors of one fill of a read pipeline, where they lie: packet i is made from the scratchpad when
/// somebody looks at it. Consumers that compute with many of them at once ask for a panel, which is kept:
/// weights that are read for every row of a product are brought into the order that the host likes once.
///
/// Nobody may see what is written later: whoever writes to the scratchpad says so first
/// (Scratchpad::writing()), and a view that lies there takes a copy of its bytes along.
class PadView final : public PacketSource {
 public:
  /// Vector i begins at byte base + offset i of `counters`; all bytes lie in [low, high) of `bytes`. The view
  /// belongs to those who hold it and forgets `views` when it ends.
  static SourceRef create(PadViews& views, const uint8_t* bytes, const VectorShape& shape, uint64_t base,
                          const Counters<6>& counters, uint64_t low, uint64_t high);

  void make(uint8_t* out, uint64_t first, unsigned packets) override;
  std::shared_ptr<const Panel> panel(PanelSide side, uint64_t first, uint64_t packets) override;

 private:
  friend class PadViews;
  PadView(PadViews& views, const uint8_t* bytes, const VectorShape& shape, uint64_t base,
          const Counters<6>& counters, uint64_t low, uint64_t high);
  ~PadView();
  void unused() override { delete this; }
  /// Takes a copy of the bytes.
  void detach();

  PadViews& views_;
  const uint8_t* bytes_;
  VectorShape shape_;
  uint64_t base_;
  Counters<6> counters_;  ///< at packet next_
  uint64_t next_ = 0;
  uint64_t low_;
  uint64_t high_;
  std::vector<uint8_t> copy_;
  std::unordered_map<uint64_t, std::shared_ptr<const Panel>>
      panels_;  ///< by side and address of the first vector
};

/// The views of a scratchpad that read it, not a copy.
class PadViews {
 public:
  PadViews() = default;
  PadViews(const PadViews&) = delete;
  PadViews& operator=(const PadViews&) = delete;

  /// Bytes low .. high - 1 are about to be written.
  void writing(uint64_t low, uint64_t high);

 private:
  friend class PadView;
  std::vector<PadView*> views_;
};

}  // namespace rdu::fabric
