#include "memory/controller.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace rdu::memory {

namespace control = regs::memctl::CONTROL;
namespace status = regs::memctl::STATUS;
namespace irq = regs::memctl::IRQ;
namespace ecc = regs::memctl::ECC_STATUS;
namespace injection = regs::memctl::ECC_INJECT;

namespace {

/// Checked before any member is made from them.
const ControllerParams& checked(const std::string& name, const ControllerParams& p) {
  if (p.channels == 0) core::bad_input(fmt::format("{}: a memory has at least one channel", name));
  if (p.bandwidth == 0) core::bad_input(fmt::format("{}: a memory's bandwidth is not zero", name));
  const uint64_t stripe = p.interleave * p.channels;
  if (p.interleave == 0 || p.capacity % p.interleave != 0) {
    core::bad_input(fmt::format("{}: a capacity of {} bytes is no multiple of the interleave of {} bytes",
                                name, p.capacity, p.interleave));
  }
  if (stripe / p.channels != p.interleave) {
    core::bad_input(fmt::format("{}: an interleave of {} bytes is too large", name, p.interleave));
  }
  return p;
}

}  // namespace

MemoryController::MemoryController(const sc_core::sc_module_name& name, const ControllerParams& params)
    : sc_core::sc_module(name),
      registers(this->name(), regs_),
      params_(checked(this->name(), params)),
      store_(this->name(), params.capacity) {
  channels_.reserve(params_.channels);
  for (unsigned i = 0; i < params_.channels; ++i) {
    channels_.push_back({ChannelTiming(params_.bandwidth, params_.channels, params_.latency),
                         core::Tracer::get().track(fmt::format("{}.channel{}", this->name(), i))});
  }
  regs_.CONTROL.on_write([this](uint64_t) { control_written(); });
  regs_.IRQ.on_write([this](uint64_t) { update_interrupt(); });
  regs_.BYTES_READ.on_read([this] { regs_.BYTES_READ.set_value(counters_.bytes_read); });
  regs_.BYTES_WRITTEN.on_read([this] { regs_.BYTES_WRITTEN.set_value(counters_.bytes_written); });
  regs_.READS.on_read([this] { regs_.READS.set_value(counters_.reads); });
  regs_.WRITES.on_read([this] { regs_.WRITES.set_value(counters_.writes); });
  regs_.STATUS.on_read([this] { regs_.STATUS.set(status::PHASE, phase()); });
  regs_.ECC_STATUS.on_write([this](uint64_t) { update_interrupt(); });
  regs_.ECC_INJECT.on_write([this](uint64_t) { inject(); });
  publish();

  SC_HAS_PROCESS(MemoryController);
  SC_METHOD(training_ended);
  sensitive << training_end_;
  dont_initialize();
}

void MemoryController::publish() {
  regs_.CHANNELS.set_value(params_.channels);
  regs_.SIZE.set_value(params_.capacity);
  regs_.BANDWIDTH.set_value(params_.bandwidth);
}

void MemoryController::reset() {
  training_end_.cancel();
  trained_ = false;
  refusal_reported_ = false;
  trainings_ = 0;
  counters_ = {};
  regs_.reset();
  publish();
  for (Channel& channel : channels_) channel.timing.reset();
  update_interrupt();
}

void MemoryController::power_cycle() {
  reset();
  store_.clear();
  errors_.clear();
}

void MemoryController::control_written() {
  if (regs_.CONTROL.get(control::CLEAR)) counters_ = {};
  if (!regs_.CONTROL.get(control::TRAIN)) return;
  if (regs_.STATUS.get(status::BUSY)) {
    core::report_guest_fault(name(), "CONTROL.TRAIN was written while training runs; ignored");
    return;
  }
  trained_ = false;
  refusal_reported_ = false;
  ++trainings_;
  training_begin_ = core::now();
  regs_.FAILED_CHANNELS.set_value(0);
  regs_.STATUS.set_value(status::BUSY.mask());
  training_end_.notify(core::to_sc(params_.training_time));
}

/// Training has three phases of equal length. Where it fails, it does at the data eye: the last.
uint64_t MemoryController::phase() const {
  if (trained_) return status::PHASE_COMPLETE;
  if (regs_.STATUS.get(status::FAILED)) return status::PHASE_DATA_EYE;
  if (!regs_.STATUS.get(status::BUSY)) return status::PHASE_IDLE;
  const uint64_t third = std::min<uint64_t>((core::now() - training_begin_) * 3 / params_.training_time, 2);
  return status::PHASE_POWER_UP + third;
}

void MemoryController::training_ended() {
  trained_ = !params_.training_fails && trainings_ > params_.failing_trainings;
  if (!trained_) {
    const uint64_t existing = params_.channels >= 64 ? ~uint64_t{0} : (uint64_t{1} << params_.channels) - 1;
    const uint64_t failing = params_.failing_channels & existing;
    regs_.FAILED_CHANNELS.set_value(failing != 0 ? failing : 1);
  }
  regs_.STATUS.set_value(trained_ ? status::TRAINED.mask() : status::FAILED.mask());
  regs_.IRQ.set(irq::DONE, 1);
  update_interrupt();
  core::Tracer& tracer = core::Tracer::get();
  if (tracer.enabled()) {
    for (const Channel& channel : channels_) {
      tracer.slice(channel.track, core::now() - params_.training_time, core::now(), "training");
    }
  }
}

void MemoryController::update_interrupt() {
  interrupt.set((regs_.IRQ.get(irq::DONE) && regs_.IRQ.get(irq::ENABLE)) ||
                (regs_.ECC_STATUS.value() != 0 && regs_.IRQ.get(irq::ECC_ENABLE)));
}

void MemoryController::inject() {
  const uint64_t offset = regs_.ECC_INJECT_ADDRESS.value();
  const uint64_t kind = regs_.ECC_INJECT.get(injection::KIND);
  if (!store_.contains(offset, 1) ||
      (kind != injection::KIND_CORRECTABLE && kind != injection::KIND_UNCORRECTABLE)) {
    core::report_guest_fault(
        name(), fmt::format("ECC_INJECT was written with kind {} for offset {:#x}, which is none "
                            "or lies outside the memory; ignored",
                            kind, offset));
    return;
  }
  errors_.spoil(offset, kind == injection::KIND_CORRECTABLE);
}

/// False if the data is not to be used.
bool MemoryController::read_checks(uint64_t offset, uint64_t length) {
  const LineErrors::Found found = errors_.read(offset, length);
  if (found.corrected + found.uncorrected == 0) return true;
  const auto count = [](core::Register& reg, uint64_t more) {
    reg.set_value(std::min<uint64_t>(reg.value() + more, 0xffffffff));
  };
  count(regs_.ECC_CORRECTED, found.corrected);
  count(regs_.ECC_UNCORRECTED, found.uncorrected);
  if (found.corrected != 0) regs_.ECC_STATUS.set(ecc::CORRECTED, 1);
  if (found.uncorrected != 0) regs_.ECC_STATUS.set(ecc::UNCORRECTED, 1);
  regs_.ECC_ADDRESS.set_value(found.last);
  update_interrupt();
  return found.uncorrected == 0;
}

/// True, with the answer, for what may not be done.
bool MemoryController::refuses(core::Transfer& t, uint64_t offset, core::Time arrive) {
  if (!store_.contains(offset, t.length)) {
    t.status = core::TransferStatus::decode_error;
    t.done = arrive + params_.latency;
    return true;
  }
  if (!trained_) {
    if (!refusal_reported_) {
      core::report_guest_fault(
          name(), fmt::format("a {} of {} bytes at offset {:#x} came before the memory is trained "
                              "(refused, as are further ones, which are not reported)",
                              t.write ? "write" : "read", t.length, offset));
      refusal_reported_ = true;
    }
    t.status = core::TransferStatus::access_denied;
    t.done = arrive + params_.latency;
    return true;
  }
  return false;
}

void MemoryController::count_write(uint64_t offset, uint64_t length) {
  if (!errors_.none()) errors_.write(offset, length);
  counters_.bytes_written += length;
  ++counters_.writes;
}

void MemoryController::zero(core::Transfer& t, uint64_t offset, core::Time arrive) {
  if (refuses(t, offset, arrive)) return;
  store_.zero(offset, t.length);
  count_write(offset, t.length);
  t.status = core::TransferStatus::ok;
  t.done = take_channels(t, offset, arrive);
}

void MemoryController::access(core::Transfer& t, uint64_t offset, core::Time arrive) {
  if (refuses(t, offset, arrive)) return;
  bool usable = true;
  if (t.write) {
    store_.write(offset, t.data, t.length);
    count_write(offset, t.length);
  } else {
    store_.read(offset, t.data, t.length);
    if (!errors_.none()) usable = read_checks(offset, t.length);
    counters_.bytes_read += t.length;
    ++counters_.reads;
  }
  t.status = usable ? core::TransferStatus::ok : core::TransferStatus::data_error;
  t.done = take_channels(t, offset, arrive);
}

void MemoryController::update(core::Transfer& t, uint64_t offset, core::Time arrive) {
  if (refuses(t, offset, arrive)) return;
  old_.resize(t.length);
  store_.read(offset, old_.data(), t.length);
  counters_.bytes_read += t.length;
  ++counters_.reads;
  if (!errors_.none() && !read_checks(offset, t.length)) {
    t.status = core::TransferStatus::data_error;
    t.done = take_channels(t, offset, arrive);
    return;
  }
  t.modify(old_.data(), t.data, t.length);
  store_.write(offset, old_.data(), t.length);
  count_write(offset, t.length);
  t.status = core::TransferStatus::ok;
  t.done = take_channels(t, offset, arrive, 2);
}

/// Tells when the last channel is done with the transfer's bytes, `passes` times.
core::Time MemoryController::take_channels(const core::Transfer& t, uint64_t offset, core::Time arrive,
                                           unsigned passes) {
  // Granule g lies in channel g % channels, as its granule g / channels: a transfer's granules in one channel
  // follow each other there, so each channel gets one request.
  core::Tracer& tracer = core::Tracer::get();
  const uint64_t width = params_.interleave;
  const unsigned channels = params_.channels;
  const uint64_t end = offset + t.length;
  const uint64_t first = offset / width;
  const uint64_t last = (end - 1) / width;
  const uint64_t touched = std::min<uint64_t>(last - first + 1, channels);
  auto channel = static_cast<unsigned>(first % channels);
  core::Time done = 0;
  for (uint64_t k = 0; k < touched; ++k) {
    const uint64_t granule = first + k;
    const uint64_t skipped = k == 0 ? offset - first * width : 0;
    uint64_t bytes = ((last - granule) / channels + 1) * width - skipped;
    if ((last - granule) % channels == 0) bytes -= (last + 1) * width - end;
    const uint64_t local = granule / channels * width + skipped;
    const ChannelTiming::Slot slot = channels_[channel].timing.access(arrive, local, bytes * passes, t.write);
    done = std::max(done, slot.done);
    if (tracer.enabled()) {
      tracer.slice(channels_[channel].track, slot.begin, slot.end, t.write ? "write" : "read", t.tag,
                   fmt::format("bytes={} offset={:#x}", bytes, offset));
    }
    if (++channel == channels) channel = 0;
  }
  return done;
}

bool MemoryController::debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) {
  if (!store_.contains(offset, length)) return false;
  if (write) {
    store_.write(offset, data, length);
  } else {
    store_.read(offset, data, length);
  }
  return true;
}

}  // namespace rdu::memory
