#include "fabric/pmu/pad_view.h"

#include <algorithm>

namespace rdu::fabric {
namespace {

/// Panels that a view keeps at a time. Enough for a scratchpad of weights; who reads at ever new places keeps
/// none for long.
constexpr size_t kMostPanels = 256;

}  // namespace

SourceRef PadView::create(PadViews& views, const uint8_t* bytes, const VectorShape& shape, uint64_t base,
                          const Counters<6>& counters, uint64_t low, uint64_t high) {
  return SourceRef(*new PadView(views, bytes, shape, base, counters, low, high));
}

PadView::PadView(PadViews& views, const uint8_t* bytes, const VectorShape& shape, uint64_t base,
                 const Counters<6>& counters, uint64_t low, uint64_t high)
    : views_(views), bytes_(bytes), shape_(shape), base_(base), counters_(counters), low_(low), high_(high) {
  counters_.rewind();
  views_.views_.push_back(this);
}

PadView::~PadView() {
  if (!copy_.empty()) return;
  auto& all = views_.views_;
  all.erase(std::find(all.begin(), all.end(), this));
}

void PadView::detach() {
  copy_.assign(bytes_ + low_, bytes_ + high_);
  bytes_ = copy_.data() - low_;
}

void PadViews::writing(uint64_t low, uint64_t high) {
  for (size_t i = 0; i < views_.size();) {
    PadView& view = *views_[i];
    if (low < view.high_ && view.low_ < high) {
      view.detach();
      views_.erase(views_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

void PadView::make(uint8_t* out, uint64_t first, unsigned packets) {
  if (first != next_) counters_.seek(first);
  next_ = first + packets;
  while (packets != 0) {
    const auto count = static_cast<unsigned>(std::min<uint64_t>(packets, counters_.inner_left()));
    gather(out, bytes_ + base_ + counters_.offset(), shape_, counters_.inner_stride(), count);
    out += count * kPacketBytes;
    counters_.advance_inner(count);
    packets -= count;
  }
}

std::shared_ptr<const Panel> PadView::panel(PanelSide side, uint64_t first, uint64_t steps) {
  counters_.seek(first);
  next_ = first;
  // Steps within one level follow from the place of the first; others are known by their number.
  const bool by_place = counters_.inner_left() >= steps;
  const uint64_t place = by_place ? base_ + static_cast<uint64_t>(counters_.offset()) : ~first;
  const uint64_t key = place << 1 | static_cast<uint64_t>(side);
  if (panels_.size() >= kMostPanels) panels_.clear();
  std::shared_ptr<const Panel>& panel = panels_[key];
  if (!panel || panel->steps() != steps) {
    panel = PacketSource::panel(side, first, steps);
  }
  return panel;
}

}  // namespace rdu::fabric
