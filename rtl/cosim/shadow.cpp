#include "cosim/shadow.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "fabric/fidelity.h"
#include "fabric/stream/unit.h"

namespace rdu::cosim {

ShadowLog& ShadowLog::get() {
  static ShadowLog log;
  return log;
}

void ShadowLog::say(const std::string& line) const {
  if (sink_) {
    sink_(line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

void ShadowLog::finish() {
  for (ShadowPins* shadow : alive_) shadow->finish();
}

std::string ShadowLog::summary() const {
  if (compared_.empty()) return "";
  return fmt::format("shadow: {} of {} unit{} diverged", diverged_.size(), compared_.size(),
                     compared_.size() == 1 ? "" : "s");
}

void ShadowLog::clear() {
  compared_.clear();
  diverged_.clear();
}

ShadowPins::ShadowPins(const std::string& tile, uint32_t unit, const fabric::FabricParams& params,
                       std::unique_ptr<fabric::PinModel> lead, fabric::Scratchpad* memory, Dut shadow,
                       const ShadowSettings& settings)
    : tile_(tile),
      unit_(unit),
      params_(params),
      lead_(std::move(lead)),
      memory_(memory),
      shadow_(std::move(shadow)),
      settings_(settings),
      recorder_(unit, params, settings.most_bytes),
      has_diverged_(ShadowLog::get().has_diverged(tile + "." + fabric::unit_name(unit))) {
  ShadowLog::get().alive_.push_back(this);
}

ShadowPins::~ShadowPins() {
  auto& alive = ShadowLog::get().alive_;
  alive.erase(std::find(alive.begin(), alive.end(), this));
}

void ShadowPins::reset() {
  finish();
  lead_->reset();
  if (!has_diverged_) shadow_.model->reset();
}

void ShadowPins::configure(const fabric::ConfigWords& words) {
  lead_->configure(words);
  if (has_diverged_) return;
  shadow_.model->configure(words);
  recorder_.configure(words);
  shapes_ = shapes_of(RDU_UNIT_KIND(unit_), params_, words);
}

void ShadowPins::start(const fabric::PinCredits& credits, fabric::PinOutputs& out) {
  if (!has_diverged_) {
    if (memory_) std::memcpy(shadow_.memory->data(), memory_->data(), memory_->bytes());
    recorder_.start(credits, memory_ ? memory_->data() : nullptr);
    comparator_ = std::make_unique<Comparator>(fabric::unit_name(unit_), pins(), shapes_);
    first_ = credits.cycle;
    out_.pins.clear();
    out_.pins.idle = out_.pins.done = false;
    shadow_.model->start(credits, out_.pins);
    ShadowLog::get().compared_.insert(tile_ + "." + fabric::unit_name(unit_));
  }
  lead_->start(credits, out);
  compare(first_, out);
}

void ShadowPins::tick(const fabric::PinInputs& in, fabric::PinOutputs& out) {
  lead_->tick(in, out);
  if (!comparator_) return;
  recorder_.tick(in);
  out_.pins.clear();
  shadow_.model->tick(in, out_.pins);
  compare(in.cycle + 1, out);
}

void ShadowPins::compare(uint64_t cycle, fabric::PinOutputs& out) {
  if (!comparator_) return;
  cycle_ = cycle - first_;
  lead_done_ = out.done;
  comparator_->compare(cycle_, out, out_.pins);
  if (comparator_->first()) {
    report(*comparator_->first());
    return;
  }
  // The clock goes on while either has something to do.
  out.idle = out.idle && out_.pins.idle;
  if (out.done && out.idle) finish();
}

/// The execution is over: what is left to compare.
void ShadowPins::finish() {
  if (!comparator_) return;
  comparator_->finish(cycle_, lead_done_, out_.pins.done);
  if (memory_ && lead_done_ && out_.pins.done)
    comparator_->compare_content(cycle_, memory_->data(), shadow_.memory->data(), memory_->bytes());
  if (comparator_->first()) {
    report(*comparator_->first());
  } else {
    comparator_.reset();
  }
}

std::string ShadowPins::neighbour(const Stream& stream) const {
  using Network = fabric::PinNeighbours::Network;
  if (!neighbours_) return "";
  switch (stream.kind) {
    case Stream::Kind::packet:
      return neighbours_->behind(Network::packet, stream.port);
    case Stream::Kind::scalar:
      return neighbours_->behind(Network::scalar, stream.port);
    case Stream::Kind::token:
      return neighbours_->behind(Network::token, stream.port);
    case Stream::Kind::credit:
      return neighbours_->before(Network::packet, stream.port, stream.flow);
    case Stream::Kind::scalar_credit:
      return neighbours_->before(Network::scalar, stream.port, stream.flow);
    default:
      return "";
  }
}

void ShadowPins::report(Divergence divergence) {
  comparator_.reset();
  has_diverged_ = true;
  ShadowLog& log = ShadowLog::get();
  log.diverged_.insert(tile_ + "." + fabric::unit_name(unit_));
  divergence.peer = neighbour(divergence.stream);
  const std::string text = fmt::format("{}.{}", tile_, divergence.text());
  log.say(fmt::format("shadow: at {}: {}", core::format_time(core::now()), text));
  if (std::optional<Stimulus> stimulus = recorder_.stimulus()) {
    std::string place = tile_.substr(tile_.rfind('.') + 1);
    const std::string name = fmt::format("{}-{}.stim", place, fabric::unit_name(unit_));
    std::string file;
    for (const char c : name) {
      if (c != ']') file += c == '[' ? '-' : c;
    }
    file = (std::filesystem::path(settings_.folder) / file).string();
    stimulus->origin = fmt::format("execution that began at cycle {} of {}; {}", first_, tile_, text);
    stimulus->write(file);
    log.say(fmt::format(
        "shadow: its inputs are in {} (packets, words, tokens: {}; cycles: {}); again: rdu-cosim replay {}",
        file, stimulus->size(), stimulus->cycles, file));
  } else {
    log.say(fmt::format("shadow: its inputs were not kept: the execution had more than shadow_bytes = {}",
                        recorder_.most_bytes()));
  }
  if (settings_.stop) throw Diverged(text);
}

void offer_shadows() {
  fabric::rtl_units().shadow = [](const fabric::PinSite& site) -> std::unique_ptr<fabric::PinModel> {
    const fabric::FabricParams& params = site.params;
    if (!std::filesystem::is_directory(params.shadow_folder))
      core::bad_input(
          fmt::format("socket.tile.shadow_folder: there is no folder '{}'", params.shadow_folder));
    return std::make_unique<ShadowPins>(
        site.tile, site.unit, params, make_pins(fabric::Fidelity::cycle, site), site.memory,
        make_rtl(site.unit, params),
        ShadowSettings{params.shadow_folder, params.shadow_bytes, params.shadow_stop});
  };
}

}  // namespace rdu::cosim
