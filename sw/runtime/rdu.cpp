// The C interface: turns handles into objects and exceptions into results. No logic lives here.
#include "rdu.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/address.h"
#include "runtime/context.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/handles.h"
#include "runtime/health.h"
#include "runtime/program.h"
#include "runtime/queue.h"
#include "runtime/schedule.h"

using rdu::runtime::Context;
using rdu::runtime::Device;
using rdu::runtime::Error;
using rdu::runtime::Event;
using rdu::runtime::Memory;
using rdu::runtime::Milliseconds;
using rdu::runtime::Program;
using rdu::runtime::Queue;

namespace {

thread_local std::string last_error;

std::mutex log_mutex;
rdu_log_function log_function = nullptr;
void* log_user = nullptr;

void write_log(const std::string& line) {
  std::lock_guard lock(log_mutex);
  if (log_function != nullptr) log_function(line.c_str(), log_user);
}

rdu_result fail(rdu_result result, const char* text) noexcept {
  try {
    last_error = text;
  } catch (...) {
    last_error.clear();  // no memory for the text
  }
  return result;
}

template <typename Call>
rdu_result guard(Call call) noexcept {
  try {
    call();
    return RDU_OK;
  } catch (const Error& error) {
    return fail(error.result(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(RDU_ERROR_NO_MEMORY, "out of host memory");
  } catch (const std::exception& error) {
    return fail(RDU_ERROR_INTERNAL, error.what());
  } catch (...) {
    return fail(RDU_ERROR_INTERNAL, "unknown exception");
  }
}

// As many as there is room for; how many there are.
template <typename T>
void hand_out(const std::vector<T>& all, T* to, size_t capacity, size_t* count) {
  std::copy_n(all.begin(), std::min(capacity, all.size()), to);
  *count = all.size();
}

// As much as there is room for, and a zero.
void hand_out(const std::string& all, char* to, size_t capacity) {
  if (capacity == 0) return;
  const size_t length = std::min(capacity - 1, all.size());
  std::memcpy(to, all.data(), length);
  to[length] = '\0';
}

template <typename T>
T& need(T* pointer, const char* what) {
  if (pointer == nullptr) throw Error(RDU_ERROR_INVALID_ARGUMENT, std::string(what) + " is NULL");
  return *pointer;
}

// Gives the event to the caller who wants one.
void hand_out(Queue::Result event, rdu_event** to) {
  if (to != nullptr) *to = new rdu_event{std::move(event)};
}

}  // namespace

// --- results
// -------------------------------------------------------------------------------------------------

const char* rdu_strerror(rdu_result result) {
  switch (result) {
    case RDU_OK:
      return "success";
    case RDU_ERROR_INVALID_ARGUMENT:
      return "invalid argument";
    case RDU_ERROR_NO_DEVICE:
      return "no device answers";
    case RDU_ERROR_DEVICE_LOST:
      return "the device went away";
    case RDU_ERROR_TIMEOUT:
      return "time-out";
    case RDU_ERROR_INCOMPATIBLE:
      return "incompatible device or firmware";
    case RDU_ERROR_FIRMWARE:
      return "the firmware failed";
    case RDU_ERROR_PROTOCOL:
      return "the device broke the rules of its interface";
    case RDU_ERROR_NO_MEMORY:
      return "not enough memory";
    case RDU_ERROR_NO_RESOURCE:
      return "all are in use";
    case RDU_ERROR_IN_USE:
      return "still in use";
    case RDU_ERROR_BAD_PROGRAM:
      return "bad program";
    case RDU_ERROR_NOT_LOADED:
      return "program not loaded";
    case RDU_ERROR_REJECTED:
      return "the firmware rejected the command";
    case RDU_ERROR_GUEST_FAULT:
      return "guest fault";
    case RDU_ERROR_ABORTED:
      return "aborted";
    case RDU_ERROR_INTERNAL:
      return "internal error of librdu";
    case RDU_ERROR_HARDWARE:
      return "the hardware failed";
    case RDU_ERROR_PERMISSION:
      return "not permitted";
    case RDU_ERROR_UNSUPPORTED:
      return "not offered by this device";
  }
  return "unknown result";
}

const char* rdu_result_name(rdu_result result) {
#define RDU_NAME(name) \
  case name:           \
    return #name
  switch (result) {
    RDU_NAME(RDU_OK);
    RDU_NAME(RDU_ERROR_INVALID_ARGUMENT);
    RDU_NAME(RDU_ERROR_NO_DEVICE);
    RDU_NAME(RDU_ERROR_DEVICE_LOST);
    RDU_NAME(RDU_ERROR_TIMEOUT);
    RDU_NAME(RDU_ERROR_INCOMPATIBLE);
    RDU_NAME(RDU_ERROR_FIRMWARE);
    RDU_NAME(RDU_ERROR_PROTOCOL);
    RDU_NAME(RDU_ERROR_NO_MEMORY);
    RDU_NAME(RDU_ERROR_NO_RESOURCE);
    RDU_NAME(RDU_ERROR_IN_USE);
    RDU_NAME(RDU_ERROR_BAD_PROGRAM);
    RDU_NAME(RDU_ERROR_NOT_LOADED);
    RDU_NAME(RDU_ERROR_REJECTED);
    RDU_NAME(RDU_ERROR_GUEST_FAULT);
    RDU_NAME(RDU_ERROR_ABORTED);
    RDU_NAME(RDU_ERROR_INTERNAL);
    RDU_NAME(RDU_ERROR_HARDWARE);
    RDU_NAME(RDU_ERROR_PERMISSION);
    RDU_NAME(RDU_ERROR_UNSUPPORTED);
  }
#undef RDU_NAME
  return "unknown result";
}

const char* rdu_last_error(void) {
  return last_error.c_str();
}
uint32_t rdu_api_version(void) {
  return RDU_API_VERSION;
}

void rdu_set_log(rdu_log_function function, void* user) {
  std::lock_guard lock(log_mutex);
  log_function = function;
  log_user = user;
}

// --- device
// --------------------------------------------------------------------------------------------------

rdu_result rdu_open(const char* address, uint32_t timeout_ms, rdu_device** device) {
  return guard([&] {
    need(device, "device");
    const std::string where = address == nullptr ? rdu::runtime::default_address() : address;
    const Milliseconds timeout{timeout_ms};
    auto transport = rdu::runtime::open_transport(where, timeout, write_log);
    *device = new rdu_device{std::make_shared<Device>(std::move(transport), timeout, write_log)};
  });
}

rdu_result rdu_device_list(rdu_address* addresses, size_t capacity, size_t* count) {
  return guard([&] {
    need(count, "count");
    if (capacity != 0) need(addresses, "addresses");
    std::vector<rdu_address> all;
    for (const std::string& text : rdu::runtime::list_addresses()) {
      rdu_address address{};
      hand_out(text, address.text, sizeof address.text);
      if (text == address.text) all.push_back(address);  // a path that is too long is none of a device
    }
    hand_out(all, addresses, capacity, count);
  });
}

rdu_result rdu_device_count(size_t* count) {
  return rdu_device_list(nullptr, 0, count);
}

rdu_result rdu_close(rdu_device* device) {
  return guard([&] {
    if (device == nullptr) return;
    device->device->close();
    delete device;
  });
}

rdu_result rdu_get_info(rdu_device* device, rdu_info* info) {
  return guard([&] { need(info, "info") = need(device, "device").device->info(); });
}

rdu_result rdu_device_time(rdu_device* device, uint64_t* ns) {
  return guard([&] { need(ns, "ns") = need(device, "device").device->transport().device_time(); });
}

rdu_result rdu_read_memory_counters(rdu_device* device, rdu_memory_counters* counters) {
  return guard([&] { need(counters, "counters") = need(device, "device").device->memory_counters(); });
}

rdu_result rdu_read_activity(rdu_device* device, rdu_activity* units, size_t capacity, size_t* count) {
  return guard([&] {
    need(count, "count");
    if (capacity != 0) need(units, "units");
    hand_out(need(device, "device").device->activity(), units, capacity, count);
  });
}

rdu_result rdu_read_log(rdu_device* device, char* text, size_t capacity, size_t* bytes) {
  return guard([&] {
    need(bytes, "bytes");
    if (capacity != 0) need(text, "text");
    const std::string log = need(device, "device").device->log_text();
    hand_out(log, text, capacity);
    *bytes = log.size();
  });
}

rdu_result rdu_read_sensors(rdu_device* device, rdu_sensor* sensors, size_t capacity, size_t* count) {
  return guard([&] {
    need(count, "count");
    if (capacity != 0) need(sensors, "sensors");
    hand_out(need(device, "device").device->sensors(), sensors, capacity, count);
  });
}

rdu_result rdu_read_health(rdu_device* device, rdu_health* health) {
  return guard([&] { need(health, "health") = need(device, "device").device->health(); });
}

rdu_result rdu_read_device_events(rdu_device* device, rdu_device_event* events, size_t capacity,
                                  size_t* count) {
  return guard([&] {
    need(count, "count");
    if (capacity != 0) need(events, "events");
    hand_out(need(device, "device").device->events(), events, capacity, count);
  });
}

rdu_result rdu_describe_device_event(const rdu_device_event* event, char* text, size_t capacity) {
  return guard([&] {
    if (capacity != 0) need(text, "text");
    hand_out(rdu::runtime::describe(need(event, "event")), text, capacity);
  });
}

rdu_result rdu_read_panic(rdu_device* device, char* text, size_t capacity, size_t* bytes) {
  return guard([&] {
    need(bytes, "bytes");
    if (capacity != 0) need(text, "text");
    const std::string report = need(device, "device").device->panic_text();
    hand_out(report, text, capacity);
    *bytes = report.size();
  });
}

// --- who uses it
// ---------------------------------------------------------------------------------------------

rdu_result rdu_read_contexts(rdu_device* device, rdu_context_usage* contexts, size_t capacity,
                             size_t* count) {
  return guard([&] {
    need(count, "count");
    if (capacity != 0) need(contexts, "contexts");
    hand_out(need(device, "device").device->contexts(), contexts, capacity, count);
  });
}

rdu_result rdu_read_usage(rdu_device* device, rdu_usage* usage) {
  return guard([&] { need(usage, "usage") = need(device, "device").device->usage(); });
}

// --- contexts and memory
// -------------------------------------------------------------------------------------

rdu_result rdu_context_create(rdu_device* device, uint64_t hbm_bytes, uint64_t ddr_bytes,
                              rdu_context** context) {
  return guard([&] {
    need(context, "context");
    *context =
        new rdu_context{std::make_shared<Context>(need(device, "device").device, hbm_bytes, ddr_bytes)};
  });
}

rdu_result rdu_context_destroy(rdu_context* context) {
  return guard([&] {
    if (context == nullptr) return;
    context->context->destroy();
    delete context;
  });
}

rdu_result rdu_mem_alloc(rdu_context* context, rdu_tier tier, uint64_t bytes, rdu_memory** memory) {
  return guard([&] {
    need(memory, "memory");
    *memory = new rdu_memory{std::make_unique<Memory>(need(context, "context").context, tier, bytes)};
  });
}

rdu_result rdu_mem_free(rdu_memory* memory) {
  return guard([&] { delete memory; });
}

uint64_t rdu_mem_address(const rdu_memory* memory) {
  return memory == nullptr ? 0 : memory->memory->address();
}
uint64_t rdu_mem_size(const rdu_memory* memory) {
  return memory == nullptr ? 0 : memory->memory->size();
}
rdu_tier rdu_mem_tier(const rdu_memory* memory) {
  return memory == nullptr ? static_cast<rdu_tier>(0) : memory->memory->tier();
}
void* rdu_mem_pointer(const rdu_memory* memory) {
  return memory == nullptr ? nullptr : memory->memory->pointer();
}

rdu_result rdu_mem_map(rdu_memory* memory, void** pointer) {
  return guard([&] {
    need(pointer, "pointer");
    *pointer = need(memory, "memory").memory->map();
  });
}

rdu_result rdu_mem_unmap(rdu_memory* memory) {
  return guard([&] { need(memory, "memory").memory->unmap(); });
}

rdu_result rdu_mem_available(rdu_context* context, rdu_tier tier, uint64_t* bytes, uint64_t* largest) {
  return guard([&] {
    const auto room = need(context, "context").context->room(tier);
    if (bytes != nullptr) *bytes = room.bytes;
    if (largest != nullptr) *largest = room.largest;
  });
}

// --- queues and commands
// -------------------------------------------------------------------------------------

rdu_result rdu_queue_create(rdu_context* context, uint32_t entries, rdu_queue** queue) {
  return guard([&] {
    need(queue, "queue");
    *queue = new rdu_queue{Queue::create(need(context, "context").context, entries)};
  });
}

rdu_result rdu_queue_destroy(rdu_queue* queue) {
  return guard([&] {
    if (queue == nullptr) return;
    queue->queue->destroy();
    delete queue;
  });
}

rdu_result rdu_queue_begin_batch(rdu_queue* queue) {
  return guard([&] { need(queue, "queue").queue->begin_batch(); });
}

rdu_result rdu_queue_end_batch(rdu_queue* queue) {
  return guard([&] { need(queue, "queue").queue->end_batch(); });
}

rdu_result rdu_queue_finish(rdu_queue* queue, uint32_t timeout_ms) {
  return guard([&] { need(queue, "queue").queue->finish(Milliseconds{timeout_ms}); });
}

rdu_result rdu_copy_async(rdu_queue* queue, rdu_memory* destination, uint64_t destination_offset,
                          const rdu_memory* source, uint64_t source_offset, uint64_t bytes,
                          rdu_event** event) {
  return guard([&] {
    hand_out(need(queue, "queue")
                 .queue->copy(*need(destination, "destination").memory, destination_offset,
                              *need(source, "source").memory, source_offset, bytes, event != nullptr),
             event);
  });
}

rdu_result rdu_upload_async(rdu_queue* queue, rdu_memory* destination, uint64_t offset, const void* source,
                            uint64_t bytes, rdu_event** event) {
  return guard([&] {
    hand_out(need(queue, "queue")
                 .queue->upload(*need(destination, "destination").memory, offset,
                                &need(static_cast<const char*>(source), "source"), bytes, event != nullptr),
             event);
  });
}

rdu_result rdu_download_async(rdu_queue* queue, void* destination, const rdu_memory* source, uint64_t offset,
                              uint64_t bytes, rdu_event** event) {
  return guard([&] {
    hand_out(need(queue, "queue")
                 .queue->download(&need(static_cast<char*>(destination), "destination"),
                                  *need(source, "source").memory, offset, bytes, event != nullptr),
             event);
  });
}

rdu_result rdu_queue_wait_event(rdu_queue* queue, const rdu_event* event) {
  return guard([&] { need(queue, "queue").queue->wait_for(*need(event, "event").event); });
}

rdu_result rdu_queue_get_fd(rdu_queue* queue, int* fd) {
  return guard([&] { need(fd, "fd") = need(queue, "queue").queue->descriptor(); });
}

rdu_result rdu_queue_acknowledge(rdu_queue* queue) {
  return guard([&] { need(queue, "queue").queue->acknowledge(); });
}

rdu_result rdu_nop_async(rdu_queue* queue, rdu_event** event) {
  return guard([&] { hand_out(need(queue, "queue").queue->nop(event != nullptr), event); });
}

rdu_result rdu_device_event_async(rdu_queue* queue, rdu_event** event) {
  return guard([&] {
    need(event, "event");
    hand_out(need(queue, "queue").queue->device_event(), event);
  });
}

// --- programs
// ------------------------------------------------------------------------------------------------

rdu_result rdu_program_create(rdu_queue* queue, const void* container, size_t bytes, uint32_t timeout_ms,
                              rdu_program** program) {
  return guard([&] {
    need(program, "program");
    if (container == nullptr) throw Error(RDU_ERROR_INVALID_ARGUMENT, "container is NULL");
    *program = new rdu_program{
        std::make_unique<Program>(*need(queue, "queue").queue, container, bytes, Milliseconds{timeout_ms})};
  });
}

rdu_result rdu_program_destroy(rdu_program* program) {
  return guard([&] { delete program; });
}

rdu_result rdu_program_get_info(rdu_program* program, rdu_program_info* info) {
  return guard([&] {
    const auto& container = need(program, "program").program->container();
    need(info, "info") = {container.info().kernel.c_str(), container.shape().rows, container.shape().cols,
                          container.config().size(), container.arguments().size()};
  });
}

rdu_result rdu_program_get_argument(rdu_program* program, size_t index, rdu_argument_info* info) {
  return guard([&] {
    const auto& arguments = need(program, "program").program->container().arguments();
    if (index >= arguments.size())
      throw Error(RDU_ERROR_INVALID_ARGUMENT, "the program has no argument " + std::to_string(index));
    const auto& argument = arguments[index];
    need(info, "info") = {argument.name.c_str(),      argument.description.c_str(),
                          argument.address ? 1u : 0u, 0,
                          argument.minimum,           argument.maximum,
                          argument.multiple};
  });
}

const char* rdu_program_get_property(rdu_program* program, const char* name) {
  if (program == nullptr || name == nullptr) return nullptr;
  const auto& properties = program->program->container().info().properties;
  const auto found = properties.find(name);
  return found == properties.end() ? nullptr : found->second.c_str();
}

rdu_result rdu_program_load_async(rdu_queue* queue, rdu_program* program, rdu_event** event) {
  return rdu_program_load_on_async(queue, program, 0, event);
}

rdu_result rdu_program_load_on_async(rdu_queue* queue, rdu_program* program, uint32_t tile,
                                     rdu_event** event) {
  return guard([&] {
    hand_out(need(program, "program").program->load(*need(queue, "queue").queue, tile, event != nullptr),
             event);
  });
}

rdu_result rdu_launch_async(rdu_queue* queue, rdu_program* program, const rdu_argument* arguments,
                            size_t count, rdu_event** event) {
  return rdu_launch_on_async(queue, program, 0, arguments, count, event);
}

rdu_result rdu_launch_on_async(rdu_queue* queue, rdu_program* program, uint32_t tile,
                               const rdu_argument* arguments, size_t count, rdu_event** event) {
  return guard([&] {
    if (count != 0) need(arguments, "arguments");
    hand_out(need(program, "program")
                 .program->launch(*need(queue, "queue").queue, tile, arguments, count, event != nullptr),
             event);
  });
}

// --- schedules
// -----------------------------------------------------------------------------------------------

rdu_result rdu_schedule_create(rdu_context* context, rdu_schedule** schedule) {
  return guard([&] {
    auto made = std::make_unique<rdu_schedule>();
    made->schedule = std::make_unique<rdu::runtime::Schedule>(need(context, "context").context);
    need(schedule, "schedule") = made.release();
  });
}

rdu_result rdu_schedule_destroy(rdu_schedule* schedule) {
  return guard([&] { delete schedule; });
}

rdu_result rdu_schedule_load(rdu_schedule* schedule, rdu_program* program) {
  return guard([&] { need(schedule, "schedule").schedule->load(*need(program, "program").program); });
}

rdu_result rdu_schedule_launch(rdu_schedule* schedule, const rdu_schedule_argument* arguments, size_t count) {
  return guard([&] {
    if (count != 0) need(arguments, "arguments");
    need(schedule, "schedule").schedule->launch(arguments, count);
  });
}

rdu_result rdu_schedule_loop(rdu_schedule* schedule, uint32_t rounds) {
  return guard([&] { need(schedule, "schedule").schedule->loop(rounds); });
}

rdu_result rdu_schedule_end_loop(rdu_schedule* schedule) {
  return guard([&] { need(schedule, "schedule").schedule->end_loop(); });
}

rdu_result rdu_schedule_if(rdu_schedule* schedule, rdu_condition condition, const rdu_memory* memory,
                           uint64_t offset, int32_t value) {
  return guard([&] {
    need(schedule, "schedule").schedule->begin_if(condition, *need(memory, "memory").memory, offset, value);
  });
}

rdu_result rdu_schedule_end_if(rdu_schedule* schedule) {
  return guard([&] { need(schedule, "schedule").schedule->end_if(); });
}

rdu_result rdu_schedule_break_if(rdu_schedule* schedule, rdu_condition condition, const rdu_memory* memory,
                                 uint64_t offset, int32_t value) {
  return guard([&] {
    need(schedule, "schedule").schedule->break_if(condition, *need(memory, "memory").memory, offset, value);
  });
}

rdu_result rdu_schedule_wait_until(rdu_schedule* schedule, rdu_condition condition, const rdu_memory* memory,
                                   uint64_t offset, int32_t value, uint32_t cycles) {
  return guard([&] {
    need(schedule, "schedule")
        .schedule->wait_until(condition, *need(memory, "memory").memory, offset, value, cycles);
  });
}

rdu_result rdu_schedule_notify(rdu_schedule* schedule, const rdu_memory* memory, uint64_t offset,
                               uint32_t value) {
  return guard(
      [&] { need(schedule, "schedule").schedule->notify(*need(memory, "memory").memory, offset, value); });
}

rdu_result rdu_schedule_run_async(rdu_queue* queue, rdu_schedule* schedule, uint32_t tile,
                                  rdu_event** event) {
  return guard([&] {
    hand_out(need(schedule, "schedule").schedule->run(*need(queue, "queue").queue, tile, event != nullptr),
             event);
  });
}

rdu_result rdu_schedule_run(rdu_queue* queue, rdu_schedule* schedule, uint32_t timeout_ms) {
  return guard([&] {
    need(schedule, "schedule")
        .schedule->run(*need(queue, "queue").queue, 0, true)
        ->wait(Milliseconds{timeout_ms});
  });
}

// --- events
// --------------------------------------------------------------------------------------------------

rdu_result rdu_event_wait(rdu_event* event, uint32_t timeout_ms) {
  return guard([&] { need(event, "event").event->wait(Milliseconds{timeout_ms}); });
}

rdu_result rdu_event_query(rdu_event* event, uint32_t* completed) {
  return guard([&] { need(completed, "completed") = need(event, "event").event->query() ? 1 : 0; });
}

rdu_result rdu_event_wait_all(rdu_event* const* events, size_t count, uint32_t timeout_ms) {
  return guard([&] {
    if (count != 0) need(events, "events");
    for (size_t i = 0; i < count; ++i) need(events[i], "an event");
    const auto deadline = std::chrono::steady_clock::now() + Milliseconds{timeout_ms};
    std::optional<Error> first;
    for (size_t i = 0; i < count; ++i) {
      const auto left = std::chrono::ceil<Milliseconds>(deadline - std::chrono::steady_clock::now());
      try {
        events[i]->event->wait(std::max(left, Milliseconds{0}));
      } catch (const Error& error) {
        if (error.result() == RDU_ERROR_TIMEOUT) throw;
        if (!first) first = error;
      }
    }
    if (first) throw Error(*first);
  });
}

rdu_result rdu_event_wait_any(rdu_event* const* events, size_t count, uint32_t timeout_ms, size_t* index) {
  return guard([&] {
    need(index, "index");
    if (count == 0) throw Error(RDU_ERROR_INVALID_ARGUMENT, "no events to wait for");
    need(events, "events");
    std::vector<const Event*> all;
    for (size_t i = 0; i < count; ++i) all.push_back(need(events[i], "an event").event.get());
    *index = rdu::runtime::wait_any(all, Milliseconds{timeout_ms});
  });
}

rdu_result rdu_event_get_info(rdu_event* event, rdu_event_info* info) {
  return guard([&] { need(info, "info") = need(event, "event").event->info(); });
}

rdu_result rdu_event_get_device_event(rdu_event* event, rdu_device_event* device_event) {
  return guard([&] { need(device_event, "device_event") = need(event, "event").event->device_event(); });
}

void rdu_event_release(rdu_event* event) {
  delete event;
}

// --- the same, waiting
// ---------------------------------------------------------------------------------------

rdu_result rdu_copy(rdu_queue* queue, rdu_memory* destination, uint64_t destination_offset,
                    const rdu_memory* source, uint64_t source_offset, uint64_t bytes, uint32_t timeout_ms) {
  return guard([&] {
    need(queue, "queue")
        .queue
        ->copy(*need(destination, "destination").memory, destination_offset, *need(source, "source").memory,
               source_offset, bytes, true)
        ->wait(Milliseconds{timeout_ms});
  });
}

rdu_result rdu_program_load(rdu_queue* queue, rdu_program* program, uint32_t timeout_ms) {
  return guard([&] {
    need(program, "program")
        .program->load(*need(queue, "queue").queue, 0, true)
        ->wait(Milliseconds{timeout_ms});
  });
}

rdu_result rdu_launch(rdu_queue* queue, rdu_program* program, const rdu_argument* arguments, size_t count,
                      uint32_t timeout_ms) {
  return guard([&] {
    if (count != 0) need(arguments, "arguments");
    need(program, "program")
        .program->launch(*need(queue, "queue").queue, 0, arguments, count, true)
        ->wait(Milliseconds{timeout_ms});
  });
}

rdu_result rdu_upload(rdu_queue* queue, rdu_memory* destination, uint64_t offset, const void* source,
                      uint64_t bytes, uint32_t timeout_ms) {
  return guard([&] {
    need(queue, "queue")
        .queue
        ->upload(*need(destination, "destination").memory, offset,
                 &need(static_cast<const char*>(source), "source"), bytes, true)
        ->wait(Milliseconds{timeout_ms});
  });
}

rdu_result rdu_download(rdu_queue* queue, void* destination, const rdu_memory* source, uint64_t offset,
                        uint64_t bytes, uint32_t timeout_ms) {
  return guard([&] {
    need(queue, "queue")
        .queue
        ->download(&need(static_cast<char*>(destination), "destination"), *need(source, "source").memory,
                   offset, bytes, true)
        ->wait(Milliseconds{timeout_ms});
  });
}
