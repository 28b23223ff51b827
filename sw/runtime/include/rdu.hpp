// C++ over rdu.h: handles that free themselves, errors as exceptions. Header only.
//
//     rdu::Device device;                                     // $RDU_DEVICE
//     rdu::Context context(device, 64 << 20, 64 << 20);
//     rdu::Queue queue(context);
//     rdu::Memory in(context, RDU_TIER_HOST, 4096), x(context, RDU_TIER_HBM, 4096);
//     std::memcpy(in.pointer(), data, 4096);
//     queue.copy(x, in).wait();                               // or: queue.upload(x, data, 4096).wait();
//     rdu::Program program(queue, bytes);
//     queue.load(program).wait();
//     queue.launch(program, {{"x", x}, {"rows", 36}}).wait();
//
// Objects may be moved, not copied. Destroy (or let go out of scope) in the reverse order of creation, as C++
// does by itself. Times that are not given are those of rdu::kTimeout.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rdu.h"

namespace rdu {

using Timeout = std::chrono::milliseconds;
inline constexpr Timeout kTimeout{30000};

class Error : public std::runtime_error {
 public:
  explicit Error(rdu_result result) : std::runtime_error(text(result)), result_(result) {}
  rdu_result result() const { return result_; }

 private:
  static std::string text(rdu_result result) {
    const std::string detail = rdu_last_error();
    return detail.empty() ? rdu_strerror(result) : detail;
  }
  rdu_result result_;
};

inline void check(rdu_result result) {
  if (result != RDU_OK) throw Error(result);
}

namespace detail {

inline uint32_t ms(Timeout timeout) {
  const auto count = timeout.count();
  return count < 0 ? 0 : count > 0xffffffffLL ? 0xffffffffu : static_cast<uint32_t>(count);
}

// Owns a handle of type T and frees it by `destroy`, whose failure nobody could handle any more.
template <typename T, auto destroy>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T* handle) : handle_(handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() {
    if (handle_ != nullptr) destroy(handle_);
  }
  T* get() const { return handle_; }
  T** out() { return &handle_; }

 private:
  T* handle_ = nullptr;
};

}  // namespace detail

// Addresses of the devices of this machine, the default one first.
inline std::vector<std::string> devices() {
  size_t count = 0;
  check(rdu_device_count(&count));
  std::vector<rdu_address> all(count);
  check(rdu_device_list(all.data(), all.size(), &count));
  all.resize(std::min(count, all.size()));
  std::vector<std::string> texts;
  for (const rdu_address& address : all) texts.emplace_back(address.text);
  return texts;
}

class Device {
 public:
  // Empty address: $RDU_DEVICE, else the kernel driver's first device, else RDU_DEFAULT_ADDRESS.
  explicit Device(const std::string& address = "", Timeout timeout = kTimeout) {
    check(rdu_open(address.empty() ? nullptr : address.c_str(), detail::ms(timeout), handle_.out()));
  }
  rdu_device* get() const { return handle_.get(); }

  rdu_info info() const {
    rdu_info info;
    check(rdu_get_info(get(), &info));
    return info;
  }
  // Device time, ns.
  uint64_t time() const {
    uint64_t ns;
    check(rdu_device_time(get(), &ns));
    return ns;
  }
  rdu_memory_counters memory_counters() const {
    rdu_memory_counters counters;
    check(rdu_read_memory_counters(get(), &counters));
    return counters;
  }
  std::vector<rdu_activity> activity() const {
    std::vector<rdu_activity> units;
    size_t count = 0;
    check(rdu_read_activity(get(), nullptr, 0, &count));
    units.resize(count);
    check(rdu_read_activity(get(), units.data(), units.size(), &count));
    units.resize(count < units.size() ? count : units.size());
    return units;
  }
  std::string log() const {
    size_t bytes = 0;
    check(rdu_read_log(get(), nullptr, 0, &bytes));
    std::string text(bytes + 1, '\0');
    check(rdu_read_log(get(), text.data(), text.size(), &bytes));
    text.resize(std::min(bytes, text.size() - 1));
    return text;
  }
  std::vector<rdu_sensor> sensors() const { return list<rdu_sensor>(rdu_read_sensors); }
  std::vector<rdu_device_event> events() const { return list<rdu_device_event>(rdu_read_device_events); }
  rdu_health health() const {
    rdu_health health;
    check(rdu_read_health(get(), &health));
    return health;
  }
  // Of all processes.
  std::vector<rdu_context_usage> contexts() const { return list<rdu_context_usage>(rdu_read_contexts); }
  rdu_usage usage() const {
    rdu_usage usage;
    check(rdu_read_usage(get(), &usage));
    return usage;
  }
  // The report of the firmware's last panic, empty if there was none.
  std::string panic() const {
    size_t bytes = 0;
    check(rdu_read_panic(get(), nullptr, 0, &bytes));
    std::string text(bytes + 1, '\0');
    check(rdu_read_panic(get(), text.data(), text.size(), &bytes));
    text.resize(std::min(bytes, text.size() - 1));
    return text;
  }

 private:
  template <typename T>
  std::vector<T> list(rdu_result (*read)(rdu_device*, T*, size_t, size_t*)) const {
    size_t count = 0;
    check(read(get(), nullptr, 0, &count));
    std::vector<T> all(count);
    check(read(get(), all.data(), all.size(), &count));
    all.resize(count < all.size() ? count : all.size());
    return all;
  }

  detail::Handle<rdu_device, rdu_close> handle_;
};

class Context {
 public:
  Context(const Device& device, uint64_t hbm_bytes, uint64_t ddr_bytes) {
    check(rdu_context_create(device.get(), hbm_bytes, ddr_bytes, handle_.out()));
  }
  rdu_context* get() const { return handle_.get(); }
  // Free bytes of HBM or DDR.
  uint64_t available(rdu_tier tier) const {
    uint64_t bytes;
    check(rdu_mem_available(get(), tier, &bytes, nullptr));
    return bytes;
  }

 private:
  detail::Handle<rdu_context, rdu_context_destroy> handle_;
};

class Memory {
 public:
  Memory() = default;
  Memory(const Context& context, rdu_tier tier, uint64_t bytes) {
    check(rdu_mem_alloc(context.get(), tier, bytes, handle_.out()));
  }
  rdu_memory* get() const { return handle_.get(); }
  uint64_t address() const { return rdu_mem_address(get()); }
  uint64_t size() const { return rdu_mem_size(get()); }
  rdu_tier tier() const { return rdu_mem_tier(get()); }
  // Host memory, and mapped memory of the device, as this process sees it; else nullptr.
  void* pointer() const { return rdu_mem_pointer(get()); }
  // Maps memory of the device through a window.
  void* map() const {
    void* pointer = nullptr;
    check(rdu_mem_map(get(), &pointer));
    return pointer;
  }
  void unmap() const { check(rdu_mem_unmap(get())); }

 private:
  detail::Handle<rdu_memory, rdu_mem_free> handle_;
};

// A command that was submitted. Letting it go does not stop the command.
class Event {
 public:
  explicit Event(rdu_event* event) : handle_(event) {}
  rdu_event* get() const { return handle_.get(); }
  // Throws how the command failed.
  void wait(Timeout timeout = kTimeout) const { check(rdu_event_wait(handle_.get(), detail::ms(timeout))); }
  // Whether it has completed, well or not.
  bool done() const {
    uint32_t completed = 0;
    check(rdu_event_query(handle_.get(), &completed));
    return completed != 0;
  }
  rdu_event_info info() const {
    rdu_event_info info;
    check(rdu_event_get_info(handle_.get(), &info));
    return info;
  }
  // Of Queue::device_event().
  rdu_device_event device_event() const {
    rdu_device_event event;
    check(rdu_event_get_device_event(handle_.get(), &event));
    return event;
  }

 private:
  detail::Handle<rdu_event, rdu_event_release> handle_;
};

namespace detail {
inline std::vector<rdu_event*> handles(const std::vector<const Event*>& events) {
  std::vector<rdu_event*> handles;
  for (const Event* event : events) handles.push_back(event->get());
  return handles;
}
}  // namespace detail

// Until all have completed; throws how the first of them failed that did.
inline void wait_all(const std::vector<const Event*>& events, Timeout timeout = kTimeout) {
  const auto handles = detail::handles(events);
  check(rdu_event_wait_all(handles.data(), handles.size(), detail::ms(timeout)));
}
// Until one has completed, well or not: its index.
inline size_t wait_any(const std::vector<const Event*>& events, Timeout timeout = kTimeout) {
  const auto handles = detail::handles(events);
  size_t index = 0;
  check(rdu_event_wait_any(handles.data(), handles.size(), detail::ms(timeout), &index));
  return index;
}

// An argument of a launch: memory, plus an offset, or a number.
struct Argument : rdu_argument {
  Argument(const char* name, const Memory& memory, uint64_t offset = 0)
      : rdu_argument{name, memory.get(), offset} {}
  Argument(const char* name, uint64_t value) : rdu_argument{name, nullptr, value} {}
};

class Program;
class Schedule;

class Queue {
 public:
  // entries: power of two; 0 for the library's choice.
  explicit Queue(const Context& context, uint32_t entries = 0) {
    check(rdu_queue_create(context.get(), entries, handle_.out()));
  }
  rdu_queue* get() const { return handle_.get(); }

  Event copy(const Memory& destination, uint64_t destination_offset, const Memory& source,
             uint64_t source_offset, uint64_t bytes) const {
    return event([&](rdu_event** event) {
      return rdu_copy_async(get(), destination.get(), destination_offset, source.get(), source_offset, bytes,
                            event);
    });
  }
  // The whole source to the destination's start.
  Event copy(const Memory& destination, const Memory& source) const {
    return copy(destination, 0, source, 0, source.size());
  }
  // From and to ordinary memory of the process, which must stay as it is until the copy has completed.
  Event upload(const Memory& destination, const void* source, uint64_t bytes, uint64_t offset = 0) const {
    return event([&](rdu_event** event) {
      return rdu_upload_async(get(), destination.get(), offset, source, bytes, event);
    });
  }
  Event download(void* destination, const Memory& source, uint64_t bytes, uint64_t offset = 0) const {
    return event([&](rdu_event** event) {
      return rdu_download_async(get(), destination, source.get(), offset, bytes, event);
    });
  }
  Event nop() const {
    return event([&](rdu_event** event) { return rdu_nop_async(get(), event); });
  }
  inline Event load(const Program& program, uint32_t tile = 0) const;
  inline Event launch(const Program& program, const std::vector<Argument>& arguments,
                      uint32_t tile = 0) const;

  inline Event run(const Schedule& schedule, uint32_t tile = 0) const;

  // Completes with the next event of the device.
  Event device_event() const {
    return event([&](rdu_event** event) { return rdu_device_event_async(get(), event); });
  }

  // What is submitted from here on begins after the other queue's command has completed.
  void wait(const Event& event) const { check(rdu_queue_wait_event(get(), event.get())); }
  // For poll(): readable when commands have completed since acknowledge().
  int fd() const {
    int fd = -1;
    check(rdu_queue_get_fd(get(), &fd));
    return fd;
  }
  void acknowledge() const { check(rdu_queue_acknowledge(get())); }

  void begin_batch() const { check(rdu_queue_begin_batch(get())); }
  void end_batch() const { check(rdu_queue_end_batch(get())); }
  void finish(Timeout timeout = kTimeout) const { check(rdu_queue_finish(get(), detail::ms(timeout))); }

 private:
  template <typename Submit>
  static Event event(Submit submit) {
    rdu_event* event = nullptr;
    check(submit(&event));
    return Event(event);
  }
  detail::Handle<rdu_queue, rdu_queue_destroy> handle_;
};

class Program {
 public:
  Program(const Queue& queue, const void* container, size_t bytes, Timeout timeout = kTimeout) {
    check(rdu_program_create(queue.get(), container, bytes, detail::ms(timeout), handle_.out()));
  }
  Program(const Queue& queue, const std::vector<uint8_t>& container, Timeout timeout = kTimeout)
      : Program(queue, container.data(), container.size(), timeout) {}
  rdu_program* get() const { return handle_.get(); }

  rdu_program_info info() const {
    rdu_program_info info;
    check(rdu_program_get_info(get(), &info));
    return info;
  }
  std::vector<rdu_argument_info> arguments() const {
    std::vector<rdu_argument_info> result(info().arguments);
    for (size_t i = 0; i < result.size(); ++i) check(rdu_program_get_argument(get(), i, &result[i]));
    return result;
  }
  // Empty if the program does not state it.
  std::string property(const std::string& name) const {
    const char* value = rdu_program_get_property(get(), name.c_str());
    return value == nullptr ? "" : value;
  }

 private:
  detail::Handle<rdu_program, rdu_program_destroy> handle_;
};

// What a tile does by itself: see rdu.h. Programs and memory must live as long as it runs.
class Schedule {
 public:
  // An argument that grows by `step` a round of the loop `level` loops out.
  struct Argument : rdu_schedule_argument {
    Argument(const rdu::Argument& start, uint64_t step = 0, uint32_t level = 0)
        : rdu_schedule_argument{start, step, level, 0} {}
  };

  explicit Schedule(const Context& context) { check(rdu_schedule_create(context.get(), handle_.out())); }
  rdu_schedule* get() const { return handle_.get(); }

  void load(const Program& program) const { check(rdu_schedule_load(get(), program.get())); }
  void launch(const std::vector<Argument>& arguments) const {
    const std::vector<rdu_schedule_argument> plain(arguments.begin(), arguments.end());
    check(rdu_schedule_launch(get(), plain.data(), plain.size()));
  }
  void loop(uint32_t rounds) const { check(rdu_schedule_loop(get(), rounds)); }
  void end_loop() const { check(rdu_schedule_end_loop(get())); }
  void begin_if(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value) const {
    check(rdu_schedule_if(get(), condition, memory.get(), offset, value));
  }
  void end_if() const { check(rdu_schedule_end_if(get())); }
  void break_if(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value) const {
    check(rdu_schedule_break_if(get(), condition, memory.get(), offset, value));
  }
  void wait_until(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value,
                  uint32_t cycles) const {
    check(rdu_schedule_wait_until(get(), condition, memory.get(), offset, value, cycles));
  }
  void notify(const Memory& memory, uint64_t offset, uint32_t value) const {
    check(rdu_schedule_notify(get(), memory.get(), offset, value));
  }

 private:
  detail::Handle<rdu_schedule, rdu_schedule_destroy> handle_;
};

inline Event Queue::run(const Schedule& schedule, uint32_t tile) const {
  return event([&](rdu_event** event) { return rdu_schedule_run_async(get(), schedule.get(), tile, event); });
}

inline Event Queue::load(const Program& program, uint32_t tile) const {
  return event(
      [&](rdu_event** event) { return rdu_program_load_on_async(get(), program.get(), tile, event); });
}

inline Event Queue::launch(const Program& program, const std::vector<Argument>& arguments,
                           uint32_t tile) const {
  const std::vector<rdu_argument> plain(arguments.begin(), arguments.end());
  return event([&](rdu_event** event) {
    return rdu_launch_on_async(get(), program.get(), tile, plain.data(), plain.size(), event);
  });
}

}  // namespace rdu
