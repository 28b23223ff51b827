// The Python module `rdu`: rdu.hpp with numpy arrays. README.md is its page.
//
// Objects are boxes that hold their parents, so that whatever order Python drops them in, children go first.
// Whatever waits releases the interpreter's lock.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rdu.hpp"

namespace py = pybind11;

namespace {

using rdu::Timeout;

// --- errors
// --------------------------------------------------------------------------------------------------

struct ErrorClass {
  rdu_result result;
  const char* name;
  PyObject* also;  // a built-in exception that it is, too
};

std::vector<ErrorClass> error_classes() {
  return {{RDU_ERROR_INVALID_ARGUMENT, "InvalidArgument", PyExc_ValueError},
          {RDU_ERROR_NO_DEVICE, "NoDevice", PyExc_ConnectionError},
          {RDU_ERROR_DEVICE_LOST, "DeviceLost", PyExc_ConnectionError},
          {RDU_ERROR_TIMEOUT, "Timeout", PyExc_TimeoutError},
          {RDU_ERROR_INCOMPATIBLE, "Incompatible", nullptr},
          {RDU_ERROR_FIRMWARE, "FirmwareFailed", nullptr},
          {RDU_ERROR_PROTOCOL, "ProtocolBroken", nullptr},
          {RDU_ERROR_NO_MEMORY, "NoMemory", PyExc_MemoryError},
          {RDU_ERROR_NO_RESOURCE, "NoResource", nullptr},
          {RDU_ERROR_IN_USE, "InUse", nullptr},
          {RDU_ERROR_BAD_PROGRAM, "BadProgram", PyExc_ValueError},
          {RDU_ERROR_NOT_LOADED, "NotLoaded", nullptr},
          {RDU_ERROR_REJECTED, "Rejected", nullptr},
          {RDU_ERROR_GUEST_FAULT, "GuestFault", nullptr},
          {RDU_ERROR_ABORTED, "Aborted", nullptr},
          {RDU_ERROR_INTERNAL, "InternalError", nullptr},
          {RDU_ERROR_HARDWARE, "HardwareError", nullptr},
          {RDU_ERROR_PERMISSION, "PermissionDenied", PyExc_PermissionError},
          {RDU_ERROR_UNSUPPORTED, "Unsupported", PyExc_NotImplementedError}};
}

PyObject* base_error = nullptr;
std::map<rdu_result, PyObject*> errors;

void add_errors(py::module_& module) {
  base_error = PyErr_NewExceptionWithDoc(
      "rdu.Error", "What librdu reports. Attributes: code (a number of rdu.h) and name (RDU_ERROR_...).",
      PyExc_Exception, nullptr);
  module.add_object("Error", base_error);
  for (const ErrorClass& c : error_classes()) {
    const py::tuple bases = c.also == nullptr ? py::make_tuple(py::handle(base_error))
                                              : py::make_tuple(py::handle(base_error), py::handle(c.also));
    PyObject* const type = PyErr_NewExceptionWithDoc((std::string("rdu.") + c.name).c_str(),
                                                     rdu_strerror(c.result), bases.ptr(), nullptr);
    if (type == nullptr) throw py::error_already_set();
    errors[c.result] = type;
    module.add_object(c.name, type);
  }
}

void raise(rdu_result result, const char* text) {
  const auto found = errors.find(result);
  const py::handle type(found == errors.end() ? base_error : found->second);
  py::object error = type(text);
  error.attr("code") = static_cast<int>(result);
  error.attr("name") = rdu_result_name(result);
  PyErr_SetObject(type.ptr(), error.ptr());
}

// An error that the module itself finds.
struct ModuleError {
  rdu_result result;
  std::string text;
};

// --- waiting
// -------------------------------------------------------------------------------------------------

Timeout milliseconds(double seconds) {
  if (!(seconds >= 0)) throw ModuleError{RDU_ERROR_INVALID_ARGUMENT, "a time-out is seconds, 0 or more"};
  return Timeout{static_cast<int64_t>(std::min(seconds * 1000 + 0.5, 4e9))};
}

// Calls wait(part of the time) until it is true, so that Ctrl-C is heard.
template <typename Wait>
bool wait_interruptibly(double seconds, Wait wait) {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(seconds);
  for (;;) {
    const auto left = std::chrono::ceil<Timeout>(deadline - std::chrono::steady_clock::now());
    bool done = false;
    {
      const py::gil_scoped_release release;
      done = wait(std::clamp(left, Timeout{0}, Timeout{100}));
    }
    if (done) return true;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (left <= Timeout{0}) return false;
  }
}

// --- boxes
// ---------------------------------------------------------------------------------------------------

struct DeviceBox {
  DeviceBox(const std::string& address, double timeout) : name(address) {
    const Timeout time = milliseconds(timeout);
    const py::gil_scoped_release release;
    device.emplace(address, time);
  }
  rdu::Device& get() {
    if (!device) throw ModuleError{RDU_ERROR_DEVICE_LOST, "the device was closed"};
    return *device;
  }
  void close() {
    if (views != 0)
      throw ModuleError{RDU_ERROR_IN_USE, std::to_string(views) +
                                              " arrays still show memory of the device; delete them before "
                                              "it is closed"};
    const py::gil_scoped_release release;
    device.reset();
  }

  std::string name;
  std::optional<rdu::Device> device;
  std::atomic<int> views{0};  // arrays that show its memory
};

struct ContextBox {
  ContextBox(std::shared_ptr<DeviceBox> parent, uint64_t hbm, uint64_t ddr)
      : device(std::move(parent)), context(device->get(), hbm, ddr) {}
  std::shared_ptr<DeviceBox> device;
  rdu::Context context;
};

struct MemoryBox {
  MemoryBox(std::shared_ptr<ContextBox> parent, rdu_tier tier, uint64_t bytes)
      : context(std::move(parent)), memory(context->context, tier, bytes) {}
  std::shared_ptr<ContextBox> context;
  rdu::Memory memory;
};

struct EventBox {
  explicit EventBox(rdu::Event made) : event(std::move(made)) {}
  rdu::Event event;
};

struct QueueBox {
  QueueBox(std::shared_ptr<ContextBox> parent, uint32_t entries)
      : context(std::move(parent)), queue(std::in_place, context->context, entries) {}
  ~QueueBox() {
    {
      const py::gil_scoped_release release;
      queue.reset();  // ends what is under way: nobody uses the arrays any more
    }
    in_use.clear();
  }
  QueueBox(const QueueBox&) = delete;
  QueueBox& operator=(const QueueBox&) = delete;

  // Keeps `what` alive until the event's command has completed.
  std::shared_ptr<EventBox> keep(rdu::Event made, py::object what) {
    auto event = std::make_shared<EventBox>(std::move(made));
    const auto is_done = [](const auto& use) {
      try {
        return use.first->event.done();
      } catch (const rdu::Error&) {
        return true;  // it never will
      }
    };
    while (!in_use.empty() && is_done(in_use.front())) in_use.pop_front();
    if (what) in_use.emplace_back(event, std::move(what));
    return event;
  }

  std::shared_ptr<ContextBox> context;
  std::optional<rdu::Queue> queue;
  std::deque<std::pair<std::shared_ptr<EventBox>, py::object>> in_use;
};

struct ProgramBox {
  ProgramBox(std::shared_ptr<QueueBox> parent, const std::string& bytes, double timeout)
      : context(parent->context) {
    const Timeout time = milliseconds(timeout);
    const py::gil_scoped_release release;
    program.emplace(*parent->queue, bytes.data(), bytes.size(), time);
  }
  std::shared_ptr<ContextBox> context;
  std::optional<rdu::Program> program;
};

// --- arrays
// --------------------------------------------------------------------------------------------------

struct View {
  explicit View(std::shared_ptr<MemoryBox> shown) : memory(std::move(shown)) {
    ++memory->context->device->views;
  }
  ~View() { --memory->context->device->views; }
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  std::shared_ptr<MemoryBox> memory;
};

// An array that shows memory, without a copy; it keeps the memory alive.
py::array view(std::shared_ptr<MemoryBox> box, const py::object& dtype, const py::object& shape) {
  const py::dtype type = py::dtype::from_args(dtype);
  box->context->device->get();
  void* const pointer = box->memory.map();  // of host memory: where it is
  const auto item = static_cast<uint64_t>(type.itemsize());
  if (item == 0) throw ModuleError{RDU_ERROR_INVALID_ARGUMENT, "a type without a size"};
  std::vector<py::ssize_t> dimensions;
  if (shape.is_none()) {
    dimensions = {static_cast<py::ssize_t>(box->memory.size() / item)};
  } else if (py::isinstance<py::int_>(shape)) {
    dimensions = {shape.cast<py::ssize_t>()};
  } else {
    dimensions = shape.cast<std::vector<py::ssize_t>>();
  }
  uint64_t bytes = item;
  for (const py::ssize_t d : dimensions) {
    if (d < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(d), &bytes))
      throw ModuleError{RDU_ERROR_INVALID_ARGUMENT, "a dimension of an array is out of range"};
  }
  if (bytes > box->memory.size())
    throw ModuleError{RDU_ERROR_INVALID_ARGUMENT, "an array of " + std::to_string(bytes) +
                                                      " bytes does not fit memory of " +
                                                      std::to_string(box->memory.size())};
  const py::capsule owner(new View(std::move(box)), [](void* v) { delete static_cast<View*>(v); });
  return py::array(type, dimensions, pointer, owner);
}

const py::array& contiguous(const py::array& array) {
  if ((array.flags() & py::array::c_style) == 0)
    throw ModuleError{RDU_ERROR_INVALID_ARGUMENT,
                      "the array must lie in memory row by row without gaps (numpy.ascontiguousarray)"};
  return array;
}

uint64_t size_of(const py::array& array) {
  return static_cast<uint64_t>(array.nbytes());
}

// --- commands
// ------------------------------------------------------------------------------------------------

std::shared_ptr<EventBox> upload(QueueBox& q, MemoryBox& memory, const py::array& array, uint64_t offset) {
  const void* const from = contiguous(array).data();
  const uint64_t bytes = size_of(array);
  auto submit = [&] {
    const py::gil_scoped_release release;
    return q.queue->upload(memory.memory, from, bytes, offset);
  };
  return q.keep(submit(), array);
}

std::shared_ptr<EventBox> download(QueueBox& q, py::array array, MemoryBox& memory, uint64_t offset) {
  void* const to = const_cast<py::array&>(contiguous(array)).mutable_data();  // throws if it is read-only
  const uint64_t bytes = size_of(array);
  auto submit = [&] {
    const py::gil_scoped_release release;
    return q.queue->download(to, memory.memory, bytes, offset);
  };
  return q.keep(submit(), std::move(array));
}

std::shared_ptr<EventBox> copy(QueueBox& q, std::shared_ptr<MemoryBox> to, std::shared_ptr<MemoryBox> from,
                               const std::optional<uint64_t>& bytes, uint64_t to_offset,
                               uint64_t from_offset) {
  const uint64_t count = bytes ? *bytes
                               : std::min(to->memory.size() - std::min(to_offset, to->memory.size()),
                                          from->memory.size() - std::min(from_offset, from->memory.size()));
  auto submit = [&] {
    const py::gil_scoped_release release;
    return q.queue->copy(to->memory, to_offset, from->memory, from_offset, count);
  };
  return q.keep(submit(), py::make_tuple(to, from));
}

// An argument is memory, (memory, offset) or a number. `name` must live as long as it.
rdu::Argument argument_of(const char* name, const py::handle& value) {
  if (py::isinstance<MemoryBox>(value)) return {name, value.cast<MemoryBox&>().memory};
  if (py::isinstance<py::tuple>(value) && py::len(value) == 2) {
    const auto pair = py::reinterpret_borrow<py::tuple>(value);
    return {name, pair[0].cast<MemoryBox&>().memory, pair[1].cast<uint64_t>()};
  }
  if (py::isinstance<py::int_>(value) || PyIndex_Check(value.ptr()) != 0)
    return {name, value.cast<uint64_t>()};
  throw ModuleError{RDU_ERROR_INVALID_ARGUMENT,
                    std::string("argument '") + name + "' is neither memory, (memory, offset) nor a number"};
}

std::shared_ptr<EventBox> launch(QueueBox& q, std::shared_ptr<ProgramBox> program, uint32_t tile,
                                 const py::kwargs& named) {
  std::vector<std::string> names;
  names.reserve(named.size());
  std::vector<rdu::Argument> arguments;
  for (const auto& [key, value] : named) {
    names.push_back(key.cast<std::string>());
    arguments.push_back(argument_of(names.back().c_str(), value));
  }
  auto submit = [&] {
    const py::gil_scoped_release release;
    return q.queue->launch(*program->program, arguments, tile);
  };
  return q.keep(submit(), py::make_tuple(program, named));
}

// A schedule, and what its instructions name.
struct ScheduleBox {
  explicit ScheduleBox(std::shared_ptr<ContextBox> parent)
      : context(std::move(parent)), schedule(context->context) {}
  std::shared_ptr<ContextBox> context;
  rdu::Schedule schedule;
  py::list kept;
};

rdu_condition condition_of(const std::string& text) {
  if (text == "==") return RDU_EQUAL;
  if (text == "!=") return RDU_NOT_EQUAL;
  if (text == "<") return RDU_LESS;
  if (text == ">=") return RDU_NOT_LESS;
  throw ModuleError{RDU_ERROR_INVALID_ARGUMENT, "'" + text + "' is no condition: ==, !=, < or >="};
}

// The block of a `with`.
struct ScheduleBlock {
  std::shared_ptr<ScheduleBox> schedule;
  bool is_loop;
};

void launch_in_schedule(ScheduleBox& self, const py::dict& steps, const py::kwargs& named) {
  std::vector<std::string> names;
  names.reserve(named.size());
  std::vector<rdu::Schedule::Argument> arguments;
  for (const auto& [key, value] : named) {
    names.push_back(key.cast<std::string>());
    uint64_t step = 0;
    uint32_t level = 0;
    if (steps.contains(key)) {
      const py::object given = steps[key];
      if (py::isinstance<py::tuple>(given)) {
        const auto pair = py::reinterpret_borrow<py::tuple>(given);
        step = pair[0].cast<uint64_t>(), level = pair[1].cast<uint32_t>();
      } else {
        step = given.cast<uint64_t>();
      }
    }
    arguments.emplace_back(argument_of(names.back().c_str(), value), step, level);
  }
  for (const auto& [key, value] : steps) {
    if (!named.contains(key))
      throw ModuleError{RDU_ERROR_INVALID_ARGUMENT,
                        "steps name '" + key.cast<std::string>() + "', which is no argument of the launch"};
  }
  self.schedule.launch(arguments);
  self.kept.append(named);
}

// Whether the event has completed within the time; throws how it failed.
bool wait_for(const rdu::Event& event, Timeout time) {
  try {
    event.wait(time);
    return true;
  } catch (const rdu::Error& error) {
    if (error.result() == RDU_ERROR_TIMEOUT) return false;
    throw;
  }
}

void wait(EventBox& event, double timeout) {
  if (!wait_interruptibly(timeout, [&](Timeout time) { return wait_for(event.event, time); }))
    throw ModuleError{RDU_ERROR_TIMEOUT, "the command did not complete within " +
                                             py::str(py::float_(timeout)).cast<std::string>() + " s"};
}

std::vector<const rdu::Event*> pointers(const std::vector<std::shared_ptr<EventBox>>& events) {
  std::vector<const rdu::Event*> all;
  for (const auto& event : events) all.push_back(&event->event);
  return all;
}

size_t wait_any(const std::vector<std::shared_ptr<EventBox>>& events, double timeout) {
  const auto all = pointers(events);
  size_t index = 0;
  const bool done = wait_interruptibly(timeout, [&](Timeout time) {
    try {
      index = rdu::wait_any(all, time);
      return true;
    } catch (const rdu::Error& error) {
      if (error.result() == RDU_ERROR_TIMEOUT) return false;
      throw;
    }
  });
  if (!done) throw ModuleError{RDU_ERROR_TIMEOUT, "none of the commands completed within the time"};
  return index;
}

void wait_all(const std::vector<std::shared_ptr<EventBox>>& events, double timeout) {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(timeout);
  for (const auto& event : events) {
    const std::chrono::duration<double> left = deadline - std::chrono::steady_clock::now();
    wait(*event, std::max(left.count(), 0.0));
  }
}

// --- plain data as dictionaries
// ------------------------------------------------------------------------------

py::dict dictionary(const rdu_info& i) {
  using namespace py::literals;
  return py::dict("model"_a = i.model, "firmware"_a = i.firmware, "firmware_version"_a = i.firmware_version,
                  "interface_version"_a = i.interface_version, "tiles"_a = i.tiles, "rows"_a = i.rows,
                  "columns"_a = i.columns, "agcus"_a = i.agcus, "queues"_a = i.queues,
                  "contexts"_a = i.contexts, "hbm_bytes"_a = i.hbm_bytes, "ddr_bytes"_a = i.ddr_bytes,
                  "hbm_bandwidth"_a = i.hbm_bandwidth, "ddr_bandwidth"_a = i.ddr_bandwidth);
}

py::dict dictionary(const rdu_health& h) {
  using namespace py::literals;
  return py::dict("last_start"_a = h.last_start, "restarts"_a = h.restarts, "panics"_a = h.panics,
                  "uptime_ns"_a = h.uptime_ns, "log_lines_lost"_a = h.log_lines_lost, "events"_a = h.events,
                  "events_lost"_a = h.events_lost, "hbm_corrected"_a = h.hbm_corrected,
                  "hbm_uncorrected"_a = h.hbm_uncorrected, "ddr_corrected"_a = h.ddr_corrected,
                  "ddr_uncorrected"_a = h.ddr_uncorrected);
}

py::dict dictionary(const rdu_sensor& s) {
  using namespace py::literals;
  static const char* const kinds[] = {"?", "socket", "core", "HBM", "DDR", "tile"};
  return py::dict("kind"_a = kinds[s.kind < 6 ? s.kind : 0], "index"_a = s.index,
                  "celsius"_a = s.temperature / 1e3, "low"_a = s.low / 1e3, "high"_a = s.high / 1e3,
                  "critical"_a = s.critical / 1e3, "volts"_a = s.millivolts / 1e3,
                  "watts"_a = s.milliwatts / 1e3, "joules"_a = static_cast<double>(s.microjoules) / 1e6);
}

py::dict dictionary(const rdu_context_usage& u) {
  using namespace py::literals;
  return py::dict("id"_a = u.id, "queues"_a = u.queues, "owner"_a = u.owner, "hbm_bytes"_a = u.hbm_bytes,
                  "ddr_bytes"_a = u.ddr_bytes, "commands"_a = u.commands, "copied_bytes"_a = u.copied_bytes,
                  "tile_ns"_a = u.tile_ns, "copy_ns"_a = u.copy_ns);
}

py::dict dictionary(const rdu_usage& u) {
  using namespace py::literals;
  return py::dict("time_ns"_a = u.time_ns, "tile_ns"_a = std::vector<uint64_t>(u.tile_ns, u.tile_ns + 4),
                  "copy_ns"_a = std::vector<uint64_t>(u.copy_ns, u.copy_ns + 3), "hbm_bytes"_a = u.hbm_bytes,
                  "hbm_used"_a = u.hbm_used, "ddr_bytes"_a = u.ddr_bytes, "ddr_used"_a = u.ddr_used);
}

py::dict dictionary(const rdu_memory_counters& c) {
  using namespace py::literals;
  return py::dict("hbm_read"_a = c.hbm_read, "hbm_written"_a = c.hbm_written, "ddr_read"_a = c.ddr_read,
                  "ddr_written"_a = c.ddr_written, "host_read"_a = c.host_read,
                  "host_written"_a = c.host_written);
}

py::dict dictionary(const rdu_event_info& e) {
  using namespace py::literals;
  return py::dict("start_ns"_a = e.start_ns, "end_ns"_a = e.end_ns, "cycles"_a = e.cycles, "tag"_a = e.tag);
}

py::dict dictionary(const rdu_device_event& e) {
  using namespace py::literals;
  char line[160];
  rdu::check(rdu_describe_device_event(&e, line, sizeof line));
  return py::dict("sequence"_a = e.sequence, "type"_a = e.type, "code"_a = e.code, "severity"_a = e.severity,
                  "source"_a = e.source, "time_ns"_a = e.time_ns, "value"_a = e.value, "text"_a = line);
}

// Reads something of the device without the interpreter's lock, and gives it as a dictionary, or a list of
// them.
template <typename Read>
auto reader(Read read) {
  return [read](DeviceBox& box) -> py::object {
    rdu::Device& device = box.get();
    const auto value = [&] {
      const py::gil_scoped_release release;
      return read(device);
    }();
    if constexpr (std::is_class_v<decltype(read(device))> &&
                  !std::is_trivially_copyable_v<decltype(read(device))>) {
      py::list all;
      for (const auto& each : value) all.append(dictionary(each));
      return all;
    } else {
      return dictionary(value);
    }
  };
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) {
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, path.c_str());
    throw py::error_already_set();
  }
  return bytes;
}

}  // namespace

PYBIND11_MODULE(rdu, module) {
  using namespace py::literals;
  module.doc() = "An RDU from Python: memory, streams of work, programs and events, with numpy arrays.";
  module.attr("__version__") =
      std::to_string(rdu_api_version() >> 16) + "." + std::to_string(rdu_api_version() & 0xffff);
  add_errors(module);
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const rdu::Error& error) {
      raise(error.result(), error.what());
    } catch (const ModuleError& error) {
      raise(error.result, error.text.c_str());
    }
  });

  py::enum_<rdu_tier>(module, "Tier", "Where memory lies.")
      .value("HBM", RDU_TIER_HBM)
      .value("DDR", RDU_TIER_DDR)
      .value("HOST", RDU_TIER_HOST)
      .export_values();

  module.def("devices", &rdu::devices, "Addresses of the devices of this machine, the default one first.");
  module.def("wait_any", &wait_any, "events"_a, "timeout"_a = 30.0,
             "Until one of the events has completed, well or not: its index.");
  module.def("wait_all", &wait_all, "events"_a, "timeout"_a = 30.0,
             "Until all of the events have completed; raises how the first of them failed that did.");

  py::class_<DeviceBox, std::shared_ptr<DeviceBox>>(module, "Device", "A device that was opened.")
      .def(
          py::init<const std::string&, double>(), "address"_a = "", "timeout"_a = 30.0,
          "address: '/dev/rdu0', 'rdu0' or 'unix:PATH'; without, $RDU_DEVICE, else the kernel driver's first "
          "device, else unix:/tmp/rdu.sock.")
      .def("close", &DeviceBox::close, "Lets it go, with everything that belongs to it.")
      .def("__enter__", [](std::shared_ptr<DeviceBox> self) { return self; })
      .def("__exit__", [](DeviceBox& self, const py::args&) { self.close(); })
      .def_property_readonly("info", reader([](const rdu::Device& d) { return d.info(); }))
      .def_property_readonly(
          "time_ns", [](DeviceBox& self) { return self.get().time(); }, "Device time.")
      .def_property_readonly(
          "log", [](DeviceBox& self) { return self.get().log(); }, "The firmware's log.")
      .def_property_readonly("panic", [](DeviceBox& self) { return self.get().panic(); })
      .def("health", reader([](const rdu::Device& d) { return d.health(); }))
      .def("usage", reader([](const rdu::Device& d) { return d.usage(); }))
      .def("memory_counters", reader([](const rdu::Device& d) { return d.memory_counters(); }))
      .def("sensors", reader([](const rdu::Device& d) { return d.sensors(); }))
      .def("contexts", reader([](const rdu::Device& d) { return d.contexts(); }))
      .def("events", reader([](const rdu::Device& d) { return d.events(); }))
      .def(
          "context",
          [](std::shared_ptr<DeviceBox> self, uint64_t hbm, uint64_t ddr) {
            return std::make_shared<ContextBox>(std::move(self), hbm, ddr);
          },
          "hbm"_a = 0, "ddr"_a = 0, "Reserves so many bytes of device memory, protected from others.");

  py::class_<ContextBox, std::shared_ptr<ContextBox>>(module, "Context", "Device memory and queues.")
      .def(
          "memory",
          [](std::shared_ptr<ContextBox> self, rdu_tier tier, uint64_t bytes) {
            return std::make_shared<MemoryBox>(std::move(self), tier, bytes);
          },
          "tier"_a, "bytes"_a)
      .def(
          "queue",
          [](std::shared_ptr<ContextBox> self, uint32_t entries) {
            return std::make_shared<QueueBox>(std::move(self), entries);
          },
          "entries"_a = 0)
      .def(
          "schedule",
          [](std::shared_ptr<ContextBox> self) { return std::make_shared<ScheduleBox>(std::move(self)); },
          "What a tile does by itself; queue.run() starts it.")
      .def(
          "available", [](ContextBox& self, rdu_tier tier) { return self.context.available(tier); }, "tier"_a,
          "Free bytes of HBM or DDR.");

  py::class_<MemoryBox, std::shared_ptr<MemoryBox>>(module, "Memory", "A range in HBM, DDR or host memory.")
      .def_property_readonly("tier", [](const MemoryBox& self) { return self.memory.tier(); })
      .def_property_readonly(
          "address", [](const MemoryBox& self) { return self.memory.address(); },
          "Virtual address, as kernels of the context use it.")
      .def_property_readonly("nbytes", [](const MemoryBox& self) { return self.memory.size(); })
      .def("__len__", [](const MemoryBox& self) { return self.memory.size(); })
      .def("array", &view, "dtype"_a = py::str("uint8"), "shape"_a = py::none(),
           "A numpy array that shows the memory, without a copy: host memory, or device memory through a "
           "window.")
      .def(
          "__array__",
          [](std::shared_ptr<MemoryBox> self, const py::object& dtype, const py::object&) {
            const py::array bytes = view(std::move(self), py::str("uint8"), py::none());
            return dtype.is_none() ? py::object(bytes) : bytes.attr("astype")(dtype);
          },
          "dtype"_a = py::none(), "copy"_a = py::none());

  py::class_<EventBox, std::shared_ptr<EventBox>>(module, "Event", "A command that was submitted.")
      .def("wait", &wait, "timeout"_a = 30.0, "Raises how the command failed, or Timeout.")
      .def_property_readonly(
          "done", [](EventBox& self) { return self.event.done(); }, "Whether it has completed, well or not.")
      .def_property_readonly(
          "info", [](EventBox& self) { return dictionary(self.event.info()); },
          "Device times and cycles, once it has completed.")
      .def_property_readonly("device_event",
                             [](EventBox& self) { return dictionary(self.event.device_event()); });

  py::class_<QueueBox, std::shared_ptr<QueueBox>>(module, "Queue", "Commands in order.")
      .def("upload", &upload, "memory"_a, "array"_a, "offset"_a = 0,
           "Copies an array to memory of the context, beginning at byte `offset`.")
      .def("download", &download, "array"_a, "memory"_a, "offset"_a = 0,
           "Fills an array from memory of the context.")
      .def("copy", &copy, "destination"_a, "source"_a, "bytes"_a = py::none(), "destination_offset"_a = 0,
           "source_offset"_a = 0, "Between memories of the context; all that fits, if bytes are not given.")
      .def("nop", [](QueueBox& self) { return self.keep(self.queue->nop(), {}); })
      .def("next_device_event", [](QueueBox& self) { return self.keep(self.queue->device_event(), {}); })
      .def(
          "program",
          [](std::shared_ptr<QueueBox> self, const py::object& container, double timeout) {
            const std::string bytes =
                py::isinstance<py::bytes>(container)
                    ? container.cast<std::string>()
                    : file_bytes(py::module_::import("os").attr("fspath")(container).cast<std::string>());
            return std::make_shared<ProgramBox>(std::move(self), bytes, timeout);
          },
          "container"_a, "timeout"_a = 30.0, "Of a container's path, or its bytes.")
      .def(
          "load",
          [](QueueBox& self, std::shared_ptr<ProgramBox> program, uint32_t tile) {
            return self.keep(self.queue->load(*program->program, tile), py::cast(program));
          },
          "program"_a, "tile"_a = 0, "Into a tile.")
      .def("launch", &launch, "program"_a, py::pos_only(), "tile"_a = 0,
           "Runs the program that was loaded into the tile last. Its arguments by name: memory, (memory, "
           "offset) or a "
           "number.")
      .def(
          "run",
          [](QueueBox& self, std::shared_ptr<ScheduleBox> schedule, uint32_t tile) {
            auto submit = [&] {
              const py::gil_scoped_release release;
              return self.queue->run(schedule->schedule, tile);
            };
            return self.keep(submit(), py::cast(schedule));
          },
          "schedule"_a, "tile"_a = 0, "Runs a schedule on a tile.")
      .def(
          "wait_for", [](QueueBox& self, EventBox& event) { self.queue->wait(event.event); }, "event"_a,
          "What is submitted from here on begins after the other queue's command has completed.")
      .def("begin_batch", [](QueueBox& self) { self.queue->begin_batch(); })
      .def("end_batch", [](QueueBox& self) { self.queue->end_batch(); })
      .def(
          "finish",
          [](QueueBox& self, double timeout) {
            const auto all = [&](Timeout time) {
              try {
                self.queue->finish(time);
                return true;
              } catch (const rdu::Error& error) {
                if (error.result() == RDU_ERROR_TIMEOUT) return false;
                throw;
              }
            };
            if (!wait_interruptibly(timeout, all))
              throw ModuleError{RDU_ERROR_TIMEOUT,
                                "the queue's commands did not all complete within the time"};
          },
          "timeout"_a = 30.0)
      .def(
          "fileno", [](QueueBox& self) { return self.queue->fd(); },
          "For select, poll or an event loop: readable when commands have completed since acknowledge().")
      .def("acknowledge", [](QueueBox& self) { self.queue->acknowledge(); });

  py::class_<ScheduleBlock>(module, "ScheduleBlock")
      .def("__enter__", [](ScheduleBlock&) {})
      .def("__exit__", [](ScheduleBlock& self, const py::object& type, const py::args&) {
        if (!type.is_none()) return;  // what went wrong has been said
        if (self.is_loop) {
          self.schedule->schedule.end_loop();
        } else {
          self.schedule->schedule.end_if();
        }
      });
  py::class_<ScheduleBox, std::shared_ptr<ScheduleBox>>(
      module, "Schedule", "Loads, launches, loops and conditions that a tile carries out by itself.")
      .def(
          "load",
          [](ScheduleBox& self, std::shared_ptr<ProgramBox> program) {
            self.schedule.load(*program->program);
            self.kept.append(py::cast(program));
          },
          "program"_a)
      .def("launch", &launch_in_schedule, py::kw_only(), "steps"_a = py::dict(),
           "Launches the program that was loaded last. Arguments by name as of Queue.launch(); steps: {name: "
           "step} or "
           "{name: (step, level)}, what is added in each round of the loop `level` loops out.")
      .def(
          "loop",
          [](std::shared_ptr<ScheduleBox> self, uint32_t rounds) {
            self->schedule.loop(rounds);
            return ScheduleBlock{self, true};
          },
          "rounds"_a = 0, "For `with`: the block is done so often; 0: for ever.")
      .def(
          "when",
          [](std::shared_ptr<ScheduleBox> self, std::shared_ptr<MemoryBox> memory,
             const std::string& condition, int32_t value, uint64_t offset) {
            self->schedule.begin_if(condition_of(condition), memory->memory, offset, value);
            self->kept.append(py::cast(memory));
            return ScheduleBlock{self, false};
          },
          "memory"_a, "condition"_a, "value"_a, "offset"_a = 0,
          "For `with`: the block is done only if the word at memory + offset is ==, !=, < or >= value.")
      .def(
          "break_if",
          [](ScheduleBox& self, std::shared_ptr<MemoryBox> memory, const std::string& condition,
             int32_t value, uint64_t offset) {
            self.schedule.break_if(condition_of(condition), memory->memory, offset, value);
            self.kept.append(py::cast(memory));
          },
          "memory"_a, "condition"_a, "value"_a, "offset"_a = 0, "Leaves the loop.")
      .def(
          "wait_until",
          [](ScheduleBox& self, std::shared_ptr<MemoryBox> memory, const std::string& condition,
             int32_t value, uint64_t offset, uint32_t cycles) {
            self.schedule.wait_until(condition_of(condition), memory->memory, offset, value, cycles);
            self.kept.append(py::cast(memory));
          },
          "memory"_a, "condition"_a, "value"_a, "offset"_a = 0, "cycles"_a = 1600,
          "Looks every so many fabric cycles.")
      .def(
          "notify",
          [](ScheduleBox& self, std::shared_ptr<MemoryBox> memory, uint32_t value, uint64_t offset) {
            self.schedule.notify(memory->memory, offset, value);
            self.kept.append(py::cast(memory));
          },
          "memory"_a, "value"_a, "offset"_a = 0, "Writes a word.");
  py::class_<ProgramBox, std::shared_ptr<ProgramBox>>(module, "Program", "A compiled program on the device.")
      .def_property_readonly("name", [](ProgramBox& self) { return self.program->info().name; })
      .def_property_readonly(
          "arguments",
          [](ProgramBox& self) {
            py::list all;
            for (const rdu_argument_info& a : self.program->arguments())
              all.append(py::dict("name"_a = a.name, "description"_a = a.description,
                                  "is_address"_a = a.is_address != 0, "minimum"_a = a.minimum,
                                  "maximum"_a = a.maximum, "multiple"_a = a.multiple));
            return all;
          })
      .def(
          "property", [](ProgramBox& self, const std::string& name) { return self.program->property(name); },
          "name"_a, "A fact that the compiler wrote into the program; empty if it states none.");
}
