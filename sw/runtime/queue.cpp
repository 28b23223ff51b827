#include "runtime/queue.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include "regs/sequencer.h"
#include "runtime/health.h"
#include "runtime/translate.h"
#include "user/status.h"

namespace rdu::runtime {

namespace {

rdu_result result_of(uint16_t status) {
  if (status >= RDU_STATUS_PROGRAM) {
    switch (status - RDU_STATUS_PROGRAM) {
      case RDU_SEQUENCER_FAULT_CODE_NO_PROGRAM:
        return RDU_ERROR_NOT_LOADED;
      case RDU_SEQUENCER_FAULT_CODE_BAD_MAGIC:
      case RDU_SEQUENCER_FAULT_CODE_BAD_VERSION:
      case RDU_SEQUENCER_FAULT_CODE_BAD_SIZE:
      case RDU_SEQUENCER_FAULT_CODE_BAD_CRC:
      case RDU_SEQUENCER_FAULT_CODE_BAD_SHAPE:
      case RDU_SEQUENCER_FAULT_CODE_BAD_UNIT:
      case RDU_SEQUENCER_FAULT_CODE_BAD_WORD:
      case RDU_SEQUENCER_FAULT_CODE_BAD_CONFIG:
      case RDU_SEQUENCER_FAULT_CODE_BAD_ROUTE:
        return RDU_ERROR_BAD_PROGRAM;
      case RDU_SEQUENCER_FAULT_CODE_SEGMENT:
      case RDU_SEQUENCER_FAULT_CODE_MEMORY:
      case RDU_SEQUENCER_FAULT_CODE_HUNG:
      case RDU_SEQUENCER_FAULT_CODE_SRAM_ECC:
      case RDU_SEQUENCER_FAULT_CODE_SEQUENCE:
        return RDU_ERROR_GUEST_FAULT;
      case RDU_SEQUENCER_FAULT_CODE_ABORTED:
        return RDU_ERROR_ABORTED;
      case RDU_SEQUENCER_FAULT_CODE_BUSY:
        return RDU_ERROR_REJECTED;
      default:
        return RDU_ERROR_PROTOCOL;
    }
  }
  switch (status) {
    case RDU_STATUS_OK:
      return RDU_OK;
    case RDU_STATUS_BAD_OPCODE:
    case RDU_STATUS_BAD_ARGUMENT:
    case RDU_STATUS_BAD_CONTEXT:
    case RDU_STATUS_BAD_QUEUE:
      return RDU_ERROR_REJECTED;
    case RDU_STATUS_NO_MEMORY:
      return RDU_ERROR_NO_MEMORY;
    case RDU_STATUS_NO_RESOURCE:
      return RDU_ERROR_NO_RESOURCE;
    case RDU_STATUS_IN_USE:
      return RDU_ERROR_IN_USE;
    case RDU_STATUS_COPY_SEGMENT:
    case RDU_STATUS_COPY_DECODE:
    case RDU_STATUS_COPY_DENIED:
      return RDU_ERROR_GUEST_FAULT;
    case RDU_STATUS_COPY_ECC:
    case RDU_STATUS_TOO_HOT:
      return RDU_ERROR_HARDWARE;
    case RDU_STATUS_ABORTED:
      return RDU_ERROR_ABORTED;
    default:
      return RDU_ERROR_PROTOCOL;
  }
}

const char* command_name(uint8_t opcode) {
  switch (opcode) {
    case RDU_CMD_NOP:
      return "no-operation";
    case RDU_CMD_COPY:
      return "copy";
    case RDU_CMD_LOAD_PROGRAM:
      return "program load";
    case RDU_CMD_LAUNCH:
      return "launch";
    case RDU_CMD_SCHEDULE:
      return "schedule";
    case RDU_CMD_EVENT:
      return "wait for an event of the device";
    default:
      return "command";
  }
}

}  // namespace

std::optional<Error> failure_of(uint8_t opcode, const Completion& completion) {
  const rdu_result result = result_of(completion.status);
  if (result == RDU_OK) return std::nullopt;
  const std::string reason = user::status_text(opcode, completion.status, completion.result);
  if (result == RDU_ERROR_GUEST_FAULT) return Error(result, "guest fault: " + reason);
  return Error(result, fmt::format("the {} failed: {}", command_name(opcode), reason));
}

// --- Event
// ---------------------------------------------------------------------------------------------------

void Event::wait(Milliseconds timeout) {
  if (!place_.stream->wait(*place_.ticket, timeout))
    throw Error(RDU_ERROR_TIMEOUT, fmt::format("the {} did not complete within {} ms",
                                               command_name(place_.ticket->opcode()), timeout.count()));
  if (const auto failure = failure_of(place_.ticket->opcode(), completion())) throw Error(*failure);
}

bool Event::query() {
  if (place_.stream->wait(*place_.ticket, Milliseconds{0})) return true;
  place_.stream->look();  // which notices a device that is lost
  return place_.stream->wait(*place_.ticket, Milliseconds{0});
}

Completion Event::completion() {
  return place_.stream->completion(*place_.ticket);
}

rdu_event_info Event::info() {
  const Ticket& ticket = *place_.ticket;
  if (!place_.stream->wait(ticket, Milliseconds{0}))
    throw Error(RDU_ERROR_TIMEOUT, "the command has not completed yet");
  const Completion c = completion();
  rdu_event_info info{};
  info.start_ns = c.start_ns;
  info.end_ns = c.end_ns;
  const bool counts = ticket.opcode() == RDU_CMD_LOAD_PROGRAM || ticket.opcode() == RDU_CMD_LAUNCH ||
                      ticket.opcode() == RDU_CMD_SCHEDULE;
  if (counts && c.status == RDU_STATUS_OK) info.cycles = c.result;
  info.tag = (static_cast<uint64_t>(queue_) << 16 | (ticket.number() & 0xffff)) + 1;
  return info;
}

rdu_device_event Event::device_event() {
  if (place_.ticket->opcode() != RDU_CMD_EVENT)
    throw Error(RDU_ERROR_INVALID_ARGUMENT, "the event is not of rdu_device_event_async");
  wait(Milliseconds{0});
  const Completion c = completion();
  rdu_log_event event{};
  static_assert(offsetof(rdu_log_event, time_ns) == sizeof c.result);
  std::memcpy(&event, &c.result, sizeof c.result);
  event.time_ns = c.start_ns;
  return device_event_of(event);
}

size_t wait_any(const std::vector<const Event*>& events, Milliseconds timeout) {
  std::vector<StreamTicket> places;
  for (const Event* event : events) places.push_back(event->place());
  const auto found = wait_any(places, timeout);
  if (!found)
    throw Error(RDU_ERROR_TIMEOUT,
                fmt::format("none of {} commands completed within {} ms", events.size(), timeout.count()));
  return *found;
}

// --- Queue
// ---------------------------------------------------------------------------------------------------

std::shared_ptr<Queue> Queue::create(std::shared_ptr<Context> context, uint32_t entries) {
  return std::shared_ptr<Queue>(new Queue(std::move(context), entries));
}

Queue::Queue(std::shared_ptr<Context> context, uint32_t entries) : context_(std::move(context)) {
  std::lock_guard lock(context_->device()->mutex());
  const uint32_t most = context_->device()->transport().max_entries();
  if (entries == 0) entries = kDefaultEntries;
  if (entries < 2 || entries > most || (entries & (entries - 1)) != 0)
    throw Error(RDU_ERROR_INVALID_ARGUMENT,
                fmt::format("a queue of {} entries: must be a power of two, 2 to {}", entries, most));
  stream_ = std::make_shared<Stream>(context_->transport().create_queue(entries));
  id_ = stream_->id();
  context_->queues.insert(this);
}

Queue::~Queue() {
  std::lock_guard lock(context_->device()->mutex());
  context_->queues.erase(this);
}

void Queue::destroy() {
  stream_->close(Error(RDU_ERROR_ABORTED, "the command was aborted: its queue was destroyed before"));
  std::lock_guard submit_lock(submit_mutex_);
  std::lock_guard lock(context_->device()->mutex());
  if (context_->queues.erase(this) == 0) return;  // the device was closed before
  try {
    collect();
  } catch (const Error&) {
    // The rest was aborted.
  }
  if (failure_)
    context_->device()->log(fmt::format("a command that nobody waited for: {}", failure_->what()));
  unwatched_.clear();
  argument_memory_.reset();
}

void Queue::drop() {
  stream_->close(Error(RDU_ERROR_DEVICE_LOST, "the device was closed before the command completed"));
  argument_memory_.reset();
}

// Throws, if the device, the context or the queue is what has gone.
Stream& Queue::stream() {
  context_->transport();
  return *stream_;
}

// The caller holds submit_mutex_.
Queue::Result Queue::submit(rdu_sqe sqe, bool want_event, std::unique_ptr<UserBuffer> buffer) {
  sqe.context = context_->id();
  auto ticket = stream().submit(sqe, context_->device()->timeout(), std::move(buffer));
  if (want_event) return std::make_unique<Event>(id_, stream_, std::move(ticket));
  unwatched_.push_back(std::move(ticket));
  collect();
  return nullptr;
}

// Looks at unwatched commands that have completed, so that their list stays short.
void Queue::collect() {
  while (!unwatched_.empty() && stream_->wait(*unwatched_.front(), Milliseconds{0})) {
    const auto done = std::move(unwatched_.front());
    unwatched_.pop_front();
    auto failure = failure_of(done->opcode(), stream_->completion(*done));
    if (failure && !failure_) failure_ = std::move(failure);
  }
}

Queue::Result Queue::nop(bool want_event) {
  std::lock_guard lock(submit_mutex_);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_NOP;
  return submit(sqe, want_event);
}

Queue::Result Queue::device_event() {
  std::lock_guard lock(submit_mutex_);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_EVENT;
  return submit(sqe, true);
}

void Queue::check_range(const Memory& memory, uint64_t offset, uint64_t bytes, const char* what) {
  if (offset > memory.size() || bytes > memory.size() - offset)
    throw Error(RDU_ERROR_INVALID_ARGUMENT,
                fmt::format("the copy's {} is {} bytes at offset {} of memory that has {}", what, bytes,
                            offset, memory.size()));
}

void Queue::check_context(const Memory& memory) const {
  if (memory.context() != context_)
    throw Error(RDU_ERROR_INVALID_ARGUMENT,
                fmt::format("{} of another context than the queue's", tier_name(memory.tier())));
}

Queue::Result Queue::copy(const Memory& destination, uint64_t destination_offset, const Memory& source,
                          uint64_t source_offset, uint64_t bytes, bool want_event) {
  check_context(destination);
  check_context(source);
  check_range(destination, destination_offset, bytes, "destination");
  check_range(source, source_offset, bytes, "source");
  return copy(destination.address() + destination_offset, source.address() + source_offset, bytes,
              want_event);
}

Queue::Result Queue::copy(uint64_t destination, uint64_t source, uint64_t bytes, bool want_event,
                          std::unique_ptr<UserBuffer> buffer) {
  std::lock_guard lock(submit_mutex_);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_COPY;
  sqe.arg[0] = destination;
  sqe.arg[1] = source;
  sqe.arg[2] = bytes;
  return submit(sqe, want_event, std::move(buffer));
}

Queue::Result Queue::upload(const Memory& destination, uint64_t offset, const void* source, uint64_t bytes,
                            bool want_event) {
  check_context(destination);
  check_range(destination, offset, bytes, "destination");
  if (bytes == 0) return nop(want_event);
  auto buffer = UserBuffer::to_be_read(context_->transport(), source, bytes);
  const uint64_t from = buffer->address();
  return copy(destination.address() + offset, from, bytes, want_event, std::move(buffer));
}

Queue::Result Queue::download(void* destination, const Memory& source, uint64_t offset, uint64_t bytes,
                              bool want_event) {
  check_context(source);
  check_range(source, offset, bytes, "source");
  if (bytes == 0) return nop(want_event);
  auto buffer = UserBuffer::to_be_written(context_->transport(), destination, bytes);
  const uint64_t to = buffer->address();
  return copy(to, source.address() + offset, bytes, want_event, std::move(buffer));
}

Queue::Result Queue::load(uint64_t address, uint64_t bytes, uint32_t tile, uint64_t identity,
                          bool want_event) {
  return load(RDU_CMD_LOAD_PROGRAM, address, bytes, tile, identity, want_event);
}

Queue::Result Queue::schedule(uint64_t address, uint64_t bytes, uint32_t tile, uint64_t identity,
                              bool want_event) {
  return load(RDU_CMD_SCHEDULE, address, bytes, tile, identity, want_event);
}

// Of a command after which the program `identity` is loaded.
Queue::Result Queue::load(uint8_t opcode, uint64_t address, uint64_t bytes, uint32_t tile, uint64_t identity,
                          bool want_event) {
  uint64_t& loaded = context_->device()->loaded_program(tile);
  std::lock_guard lock(submit_mutex_);
  rdu_sqe sqe{};
  sqe.opcode = opcode;
  sqe.arg[0] = address;
  sqe.arg[1] = bytes;
  sqe.arg[2] = tile;
  Result result = submit(sqe, want_event);
  std::lock_guard device_lock(context_->device()->mutex());
  loaded = identity;
  return result;
}

Queue::Result Queue::launch(const std::vector<rdu_argument_tuple>& tuples, uint32_t tile, uint64_t identity,
                            const std::string& program_name, bool want_event) {
  const uint64_t bytes = tuples.size() * sizeof(rdu_argument_tuple);
  if (bytes > kArgumentBytes)
    throw Error(RDU_ERROR_NO_RESOURCE,
                fmt::format("'{}' takes {} bytes of arguments, a queue has room for {}", program_name, bytes,
                            kArgumentBytes));
  std::lock_guard lock(submit_mutex_);
  Stream& stream = this->stream();
  {
    std::lock_guard device_lock(context_->device()->mutex());
    if (context_->device()->loaded_program(tile) != identity)
      throw Error(
          RDU_ERROR_NOT_LOADED,
          fmt::format("'{}' is not the program that was loaded into tile {} last", program_name, tile));
    if (!argument_memory_) argument_memory_ = context_->transport().allocate(RDU_TIER_HOST, kArgumentBytes);
  }
  const ArgumentRing::Place place = argument_ring_.reserve(bytes);
  const Milliseconds timeout = context_->device()->timeout();
  if (place.after && !stream.wait_below(*place.after + 1, timeout))
    throw Error(RDU_ERROR_TIMEOUT,
                fmt::format("no room for arguments: earlier launches did not complete within {} ms",
                            timeout.count()));
  if (bytes != 0) std::memcpy(argument_memory_->map() + place.offset, tuples.data(), bytes);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_LAUNCH;
  sqe.arg[0] = argument_memory_->address() + place.offset;
  sqe.arg[1] = tuples.size();
  sqe.arg[2] = tile;
  const uint64_t number = stream.submitted();
  Result result = submit(sqe, want_event);
  argument_ring_.used_by(number);
  return result;
}

void Queue::wait_for(const Event& event) {
  stream().wait_for(event.place().stream, event.place().ticket);
}

void Queue::begin_batch() {
  stream().hold();
}
void Queue::end_batch() {
  stream().release();
}

void Queue::finish(Milliseconds timeout) {
  Stream& stream = this->stream();
  if (!stream.wait_below(stream.submitted(), timeout))
    throw Error(RDU_ERROR_TIMEOUT,
                fmt::format("the queue's commands did not all complete within {} ms", timeout.count()));
  std::lock_guard lock(submit_mutex_);
  collect();
  if (failure_) {
    const Error failure = *std::exchange(failure_, std::nullopt);
    throw failure;
  }
}

int Queue::descriptor() {
  stream();
  std::lock_guard lock(poll_mutex_);
  if (!poll_set_)
    poll_set_ = translate(RDU_ERROR_TIMEOUT, [&] { return std::make_unique<PollSet>(stream_); });
  return poll_set_->fd();
}

void Queue::acknowledge() {
  std::lock_guard lock(poll_mutex_);
  if (!poll_set_) throw Error(RDU_ERROR_INVALID_ARGUMENT, "nobody has asked for the queue's descriptor");
  poll_set_->acknowledge();
}

}  // namespace rdu::runtime
