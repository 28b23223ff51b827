#include "pcie/record/recording_port.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/systemc.h"
#include "core/trace.h"
#include "pcie/vfio_user/irq_vectors.h"

namespace rdu::pcie::record {
namespace {

/// What is lost at most if this process is killed.
constexpr std::chrono::milliseconds kFlush{200};

Record now(Record::Kind kind) {
  Record record;
  record.kind = kind;
  record.time = core::now();
  return record;
}

/// Between two slices of the simulation.
Record between_slices(Record::Kind kind) {
  Record record = now(kind);
  record.settled = !sc_core::sc_pending_activity();
  record.hash = core::TraceHash::get().value();
  return record;
}

}  // namespace

void RecordingPort::write(const Record& record) {
  if (!failure_.empty()) return;
  try {
    file_.write(record);
  } catch (const RecordingError& error) {
    fail(error);
  }
  if (Clock::now() - flushed_ >= kFlush) flush();
}

void RecordingPort::flush() {
  if (!failure_.empty()) return;
  try {
    file_.flush();
  } catch (const RecordingError& error) {
    fail(error);
  }
  flushed_ = Clock::now();
}

/// The host is served on, and the end says that the file is not whole.
void RecordingPort::fail(const RecordingError& error) {
  failure_ = error.what();
  fmt::print(stderr, "rduvp: recording has stopped at {}: {}\n", core::format_time(core::now()), failure_);
}

void RecordingPort::end(const std::string& why) {
  Record record = between_slices(Record::Kind::end);
  record.text = why;
  write(record);
  flush();
}

std::optional<HostPort::Request> RecordingPort::next() {
  auto request = host_.next();
  if (!request) return request;
  Record record = between_slices(Record::Kind::request);
  record.request = request->content();
  for (const vfio_user::UniqueFd& fd : request->fds())
    record.descriptors.push_back(vfio_user::is_eventfd(fd.get()) ? 1 : 0);
  write(record);
  return request;
}

void RecordingPort::answer(Request& request, int error, const uint8_t* data) {
  Record record = now(Record::Kind::answer);
  record.number = request.number();
  record.error = error;
  if (!error && request.kind() == Request::Kind::kRegionRead) record.data.assign(data, data + request.size());
  write(record);
  host_.answer(request, error, data);
}

void RecordingPort::write_copy(Record::Kind kind, core::Time at, uint64_t address, const uint8_t* data,
                               size_t size, int error) {
  Record record = now(kind);
  record.at = at;
  record.address = address;
  record.size = size;
  record.error = error;
  if (!error || kind == Record::Kind::dma_write) record.data.assign(data, data + size);
  write(record);
}

int RecordingPort::dma_read(core::Time at, uint64_t address, uint8_t* data, size_t size) {
  const int error = host_.dma_read(at, address, data, size);
  write_copy(Record::Kind::dma_read, at, address, data, size, error);
  return error;
}

int RecordingPort::dma_write(core::Time at, uint64_t address, const uint8_t* data, size_t size) {
  const int error = host_.dma_write(at, address, data, size);
  write_copy(Record::Kind::dma_write, at, address, data, size, error);
  return error;
}

bool RecordingPort::interrupt(uint32_t index, uint32_t vector) {
  Record record = now(Record::Kind::interrupt);
  record.index = index;
  record.vector = vector;
  write(record);
  return host_.interrupt(index, vector);
}

bool RecordingPort::poke(uint64_t address, const uint8_t* data, size_t size) {
  return host_.poke(address, data, size);
}

bool RecordingPort::wait(std::chrono::milliseconds timeout) {
  if (Clock::now() - flushed_ >= kFlush) flush();
  return host_.wait(timeout);
}

}  // namespace rdu::pcie::record
