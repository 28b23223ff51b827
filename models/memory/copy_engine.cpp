#include "memory/copy_engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace rdu::memory {

namespace control = regs::copy_engine::CHANNEL_CONTROL;
namespace status = regs::copy_engine::CHANNEL_STATUS;

namespace {

constexpr uint64_t kCopyEnd = 0x20;  // in the trace hash

bool wraps(uint64_t address, uint64_t length) {
  return length != 0 && length - 1 > ~uint64_t{0} - address;
}

uint64_t code_of(core::TransferStatus failure) {
  switch (failure) {
    case core::TransferStatus::decode_error:
      return status::CODE_DECODE;
    case core::TransferStatus::data_error:
      return status::CODE_ECC;
    default:
      return status::CODE_DENIED;
  }
}

}  // namespace

/// One channel. It runs ahead of the kernel: a chunk's next step is posted as soon as the network has told
/// when the one before ends. Only the end of a copy is an event of its own.
class CopyEngine::Channel final : public core::TransferClient {
 public:
  Channel(CopyEngine& engine, unsigned index);

  void control_written();
  void host_reset();
  void jam() { jammed_ = true; }
  void finish_if_due();
  bool flagged() const { return regs_.STATUS.get(status::DONE) || regs_.STATUS.get(status::ERROR); }
  const sc_core::sc_event& end_event() const { return end_; }
  uint64_t bytes_copied() const { return bytes_copied_; }

  void completed(core::Transfer& t) override;

 private:
  enum class Phase : uint8_t { idle, reading, writing };
  /// A chunk's place: its transfer and its part of the buffer.
  struct Slot {
    core::Transfer transfer;
    Phase phase = Phase::idle;
    uint32_t run = 0;  ///< the copy that it works for
  };

  void start();
  void abort();
  void check();
  void begin_chunk(Slot& slot, core::Time issue);
  void post(Slot& slot, Phase phase, uint64_t address, core::Time issue);
  void fail(uint64_t code, uint64_t address);
  void end_when_drained();
  void finish();
  bool has_more() const { return busy_ && !stopping_ && next_ < length_; }

  CopyEngine& engine_;
  regs::copy_engine::CHANNEL_t& regs_;
  std::string name_;
  uint32_t initiator_;
  core::TrackId track_;
  std::vector<uint8_t> buffer_;
  std::vector<Slot> slots_;
  core::SerialResource data_path_;
  sc_core::sc_event end_;

  // The copy under way, taken over from the registers at its start.
  uint32_t run_ = 0;  ///< counts copies; a slot of another run belongs to a copy that was reset away
  bool busy_ = false;
  bool stopping_ = false;  ///< by a fault or an abort: nothing new is begun
  bool backward_ = false;
  bool zero_ = false;          ///< writes zeroes and reads nothing
  uint64_t given_source_ = 0;  ///< as software wrote it
  uint64_t given_destination_ = 0;
  uint64_t source_ = 0;  ///< physical
  uint64_t destination_ = 0;
  uint64_t length_ = 0;
  uint64_t next_ = 0;  ///< bytes for which a chunk was begun
  core::CommandTag tag_ = core::kNoCommand;
  unsigned under_way_ = 0;
  uint64_t code_ = status::CODE_NONE;
  uint64_t fault_address_ = 0;
  core::Time started_ = 0;
  core::Time latest_ = 0;  ///< the last answer so far
  bool end_pending_ = false;
  bool jammed_ = false;

  uint64_t bytes_copied_ = 0;
};

CopyEngine::Channel::Channel(CopyEngine& engine, unsigned index)
    : engine_(engine),
      regs_(engine.regs_.CHANNEL[index]),
      name_(fmt::format("{}.channel{}", engine.name(), index)),
      initiator_(engine.first_initiator_ + index),
      track_(core::Tracer::get().track(name_)),
      buffer_(engine.params_.chunk * engine.params_.outstanding),
      slots_(engine.params_.outstanding),
      data_path_(engine.params_.channel_bandwidth) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    core::Transfer& t = slots_[i].transfer;
    t.data = buffer_.data() + i * engine.params_.chunk;
    t.initiator = initiator_;
    t.client = this;
    t.cookie = i;
  }
}

void CopyEngine::Channel::control_written() {
  if (regs_.CONTROL.get(control::ABORT)) abort();
  if (regs_.CONTROL.get(control::START)) start();
}

void CopyEngine::Channel::start() {
  if (busy_) {
    core::report_guest_fault(name_, "CONTROL.START was written while the channel is busy; ignored");
    return;
  }
  ++run_;
  busy_ = true;
  stopping_ = false;
  zero_ = regs_.CONTROL.get(control::ZERO) != 0;
  next_ = 0;
  under_way_ = 0;
  code_ = status::CODE_NONE;
  fault_address_ = 0;
  started_ = latest_ = core::now();
  source_ = given_source_ = regs_.SRC.value();
  destination_ = given_destination_ = regs_.DST.value();
  length_ = regs_.LENGTH.value();
  tag_ = static_cast<core::CommandTag>(regs_.TAG.value());
  regs_.STATUS.set_value(status::BUSY.mask());
  regs_.FAULT_ADDRESS.set_value(0);
  regs_.START_TIME.set_value(started_ / core::kNanosecond);
  if (length_ == 0) {
    finish();
    return;
  }
  check();
  if (stopping_) {
    finish();
    return;
  }
  engine_.update_interrupt();  // DONE of the copy before is gone
  // As memmove does: where the destination begins inside the source, from the end.
  backward_ = !zero_ && destination_ > source_ && destination_ - source_ < length_;
  const uint64_t most = zero_ ? engine_.params_.zero_outstanding : slots_.size();
  for (Slot& slot : slots_) {
    if (!has_more() || under_way_ == most) break;
    if (slot.phase == Phase::idle) begin_chunk(slot, core::now());
  }
}

/// Translates the addresses; what is wrong with them ends the copy.
void CopyEngine::Channel::check() {
  if (regs_.CONTROL.get(control::TRANSLATE)) {
    const auto context = static_cast<unsigned>(regs_.CONTROL.get(control::CONTEXT));
    core::AddressTranslator& translator = engine_.translator_;
    if (!zero_ && !translator.translate(context, given_source_, length_, false, &source_)) {
      fail(status::CODE_SEGMENT, given_source_);
    } else if (!translator.translate(context, given_destination_, length_, true, &destination_)) {
      fail(status::CODE_SEGMENT, given_destination_);
    }
  } else if (!zero_ && wraps(source_, length_)) {
    fail(status::CODE_DECODE, source_);
  } else if (wraps(destination_, length_)) {
    fail(status::CODE_DECODE, destination_);
  }
}

void CopyEngine::Channel::begin_chunk(Slot& slot, core::Time issue) {
  // Chunks end where the address of the side that is accessed first is a multiple of the chunk.
  const uint64_t chunk = engine_.params_.chunk;
  uint64_t offset = next_;
  uint64_t bytes = 0;
  if (zero_) {
    const uint64_t most = engine_.params_.zero_chunk;
    bytes = std::min(length_ - offset, most - ((destination_ + offset) & (most - 1)));
  } else if (backward_) {
    const uint64_t end = length_ - next_;
    bytes = std::min(end, ((source_ + end - 1) & (chunk - 1)) + 1);
    offset = end - bytes;
  } else {
    bytes = std::min(length_ - offset, chunk - ((source_ + offset) & (chunk - 1)));
  }
  next_ += bytes;
  slot.run = run_;
  slot.transfer.length = static_cast<uint32_t>(bytes);
  slot.transfer.tag = tag_;
  slot.transfer.zero = zero_;
  ++under_way_;
  if (zero_) {
    post(slot, Phase::writing, destination_ + offset, issue);
  } else {
    post(slot, Phase::reading, source_ + offset, issue);
  }
}

void CopyEngine::Channel::post(Slot& slot, Phase phase, uint64_t address, core::Time issue) {
  slot.phase = phase;
  slot.transfer.address = address;
  slot.transfer.write = phase == Phase::writing;
  slot.transfer.issue = issue;
  engine_.port_.post(slot.transfer);
}

void CopyEngine::Channel::completed(core::Transfer& t) {
  Slot& slot = slots_[t.cookie];
  const Phase phase = slot.phase;
  slot.phase = Phase::idle;
  if (slot.run != run_) {  // the copy was reset away; its place is free from now on
    if (has_more()) begin_chunk(slot, t.done);
    return;
  }
  latest_ = std::max(latest_, t.done);
  if (t.status != core::TransferStatus::ok) {
    fail(code_of(t.status), phase == Phase::reading ? given_source_ + (t.address - source_)
                                                    : given_destination_ + (t.address - destination_));
  } else if (phase == Phase::reading && !stopping_) {
    post(slot, Phase::writing, destination_ + (t.address - source_), data_path_.take(t.done, t.length).end);
    return;
  } else if (phase == Phase::writing && t.write) {
    bytes_copied_ += t.length;
  }
  --under_way_;
  if (has_more()) {
    begin_chunk(slot, t.done);
  } else {
    end_when_drained();
  }
}

void CopyEngine::Channel::fail(uint64_t code, uint64_t address) {
  stopping_ = true;
  if (code_ != status::CODE_NONE) return;  // the first counts
  code_ = code;
  fault_address_ = address;
}

void CopyEngine::Channel::abort() {
  jammed_ = false;
  if (!busy_) return;
  stopping_ = true;
  if (code_ == status::CODE_NONE) code_ = status::CODE_ABORTED;
  for (Slot& slot : slots_) {
    // A write whose data has not left yet never does; its place in the queue is spent on a read.
    if (slot.phase == Phase::writing && slot.transfer.issue > core::now()) slot.transfer.write = false;
  }
  end_when_drained();
}

void CopyEngine::Channel::host_reset() {
  ++run_;
  busy_ = false;
  end_pending_ = false;
  jammed_ = false;
  end_.cancel();
  data_path_.reset();
  for (Slot& slot : slots_) {
    if (slot.phase == Phase::writing) slot.transfer.write = false;
  }
}

void CopyEngine::Channel::end_when_drained() {
  if (under_way_ != 0 || end_pending_ || jammed_) return;
  latest_ = std::max(latest_, core::now());
  end_pending_ = true;
  end_.notify(core::to_sc(latest_ - core::now()));
}

void CopyEngine::Channel::finish_if_due() {
  if (end_pending_ && latest_ <= core::now()) finish();
}

void CopyEngine::Channel::finish() {
  busy_ = false;
  end_pending_ = false;
  const core::Time end = core::now();
  uint64_t word = status::DONE.mask();
  word = status::ERROR.set(word, code_ != status::CODE_NONE);
  word = status::CODE.set(word, code_);
  regs_.STATUS.set_value(word);
  regs_.FAULT_ADDRESS.set_value(fault_address_);
  regs_.END_TIME.set_value(end / core::kNanosecond);
  core::TraceHash::get().add(kCopyEnd, end, initiator_, length_ ^ code_ << 56);
  core::Tracer& tracer = core::Tracer::get();
  if (tracer.enabled()) {
    const std::string from = zero_ ? "zeroes" : fmt::format("{:#x}", source_);
    tracer.slice(track_, started_, end, code_ == status::CODE_NONE ? "copy" : "copy (failed)", tag_,
                 fmt::format("bytes={} from={} to={:#x}", length_, from, destination_));
  }
  if (code_ != status::CODE_NONE && code_ != status::CODE_ABORTED) {
    const char* why = code_ == status::CODE_SEGMENT  ? "no segment allows it"
                      : code_ == status::CODE_DECODE ? "no memory is there"
                                                     : "the memory there refused it";
    core::report_guest_fault(
        name_, fmt::format("copy of {} bytes from {} to {:#x} failed at {:#x}: {}", length_,
                           zero_ ? "zeroes" : fmt::format("{:#x}", given_source_), given_destination_,
                           fault_address_, why));
  }
  engine_.update_interrupt();
}

namespace {

const CopyEngineParams& checked(const std::string& name, const CopyEngineParams& p) {
  if (p.chunk == 0 || (p.chunk & (p.chunk - 1)) != 0 || p.chunk > uint64_t{1} << 31) {
    core::bad_input(fmt::format("{}: a chunk of {} bytes is no power of two", name, p.chunk));
  }
  if (p.zero_chunk == 0 || (p.zero_chunk & (p.zero_chunk - 1)) != 0 || p.zero_chunk > uint64_t{1} << 31) {
    core::bad_input(fmt::format("{}: a zero_chunk of {} bytes is no power of two", name, p.zero_chunk));
  }
  if (p.outstanding == 0 || p.zero_outstanding == 0 || p.channel_bandwidth == 0) {
    core::bad_input(
        fmt::format("{}: outstanding, zero_outstanding and channel_bandwidth must not be zero", name));
  }
  return p;
}

}  // namespace

CopyEngine::CopyEngine(const sc_core::sc_module_name& name, const CopyEngineParams& params,
                       core::TransferPort& port, core::AddressTranslator& translator,
                       uint32_t first_initiator)
    : sc_core::sc_module(name),
      registers(this->name(), regs_),
      params_(checked(this->name(), params)),
      port_(port),
      translator_(translator),
      first_initiator_(first_initiator) {
  SC_HAS_PROCESS(CopyEngine);
  SC_METHOD(channels_ended);
  dont_initialize();
  for (unsigned i = 0; i < kChannels; ++i) {
    channels_[i] = std::make_unique<Channel>(*this, i);
    sensitive << channels_[i]->end_event();
    regs_.CHANNEL[i].CONTROL.on_write([this, i](uint64_t) { channels_[i]->control_written(); });
    regs_.CHANNEL[i].STATUS.on_write([this](uint64_t) { update_interrupt(); });
  }
  regs_.IRQ_ENABLE.on_write([this](uint64_t) { update_interrupt(); });
}

CopyEngine::~CopyEngine() = default;

void CopyEngine::channels_ended() {
  for (const auto& channel : channels_) channel->finish_if_due();
}

void CopyEngine::update_interrupt() {
  uint64_t flagged = 0;
  for (unsigned i = 0; i < kChannels; ++i) flagged |= uint64_t{channels_[i]->flagged()} << i;
  regs_.IRQ_STATUS.set_value(flagged);
  interrupt.set((flagged & regs_.IRQ_ENABLE.value()) != 0);
}

void CopyEngine::host_reset() {
  for (const auto& channel : channels_) channel->host_reset();
  regs_.reset();
  update_interrupt();
}

void CopyEngine::jam(unsigned channel) {
  channels_.at(channel)->jam();
}

uint64_t CopyEngine::bytes_copied() const {
  uint64_t sum = 0;
  for (const auto& channel : channels_) sum += channel->bytes_copied();
  return sum;
}

}  // namespace rdu::memory
