/* librdu: the C interface to an RDU.
 *
 * In one breath: open a device, create a context (its own memory in HBM and DDR, protected from the others),
 * allocate memory in a tier, create a queue, and submit copies, program loads and launches to it; each gives
 * an event, and waiting for an event sleeps until the device interrupts.
 *
 *     rdu_device* device;
 *     rdu_open(NULL, 30000, &device);
 *     rdu_context_create(device, 64 << 20, 64 << 20, &context);
 *     rdu_queue_create(context, 0, &queue);
 *     rdu_mem_alloc(context, RDU_TIER_HOST, 4096, &in);   memcpy(rdu_mem_pointer(in), data, 4096);
 *     rdu_mem_alloc(context, RDU_TIER_HBM, 4096, &x);     rdu_copy(queue, x, 0, in, 0, 4096, 10000);
 *     rdu_program_create(queue, container, container_bytes, 10000, &program);
 *     rdu_program_load(queue, program, 10000);
 *     rdu_argument arguments[] = {{"x", x, 0}, {"y", y, 0}};
 *     rdu_launch(queue, program, arguments, 2, 10000);
 *
 * Errors. Every function that can fail returns an rdu_result; nothing else of its outputs is then valid. The
 * text of the failure, with names and numbers, is rdu_last_error(), a thread's own.
 *
 * Handles belong to the one who created them. Destroy children first; destroying a parent that still has
 * children fails with RDU_ERROR_IN_USE and changes nothing (rdu_close() alone takes everything with it). NULL
 * given to a destroy function is ignored.
 *
 * Threads. All functions may be called from any thread. Commands of one queue run and complete in the order
 * of submission; different queues are independent, but for rdu_queue_wait_event().
 *
 * Processes. Over the kernel driver many processes use a device at once, each with contexts of its own; a
 * simulator's socket has room for one process at a time. When a process ends, however that happens, all that
 * it had is given back.
 *
 * Time-outs are milliseconds of the host's clock; 0 asks without waiting (RDU_ERROR_TIMEOUT if it would have
 * to). Every wait also ends, with RDU_ERROR_DEVICE_LOST, when the device goes away (the simulator was killed,
 * say).
 *
 * Time of the device is in nanoseconds since its power-on. */
#ifndef RDU_H
#define RDU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Major in the upper half: a program compiled for major N runs with any later minor of N. */
#define RDU_API_VERSION_MAJOR 1u
#define RDU_API_VERSION_MINOR 3u
#define RDU_API_VERSION ((RDU_API_VERSION_MAJOR << 16) | RDU_API_VERSION_MINOR)

#if defined(__GNUC__)
#define RDU_EXPORT __attribute__((visibility("default")))
#else
#define RDU_EXPORT
#endif

typedef struct rdu_device rdu_device;
typedef struct rdu_context rdu_context;
typedef struct rdu_queue rdu_queue;
typedef struct rdu_memory rdu_memory;
typedef struct rdu_program rdu_program;
typedef struct rdu_event rdu_event;

/* --- results --- */

typedef enum rdu_result {
  RDU_OK = 0,
  RDU_ERROR_INVALID_ARGUMENT =
      1, /* the call itself was wrong: a NULL, a range outside its memory, an unknown name */
  RDU_ERROR_NO_DEVICE = 2,    /* nobody serves the address, or not in time */
  RDU_ERROR_DEVICE_LOST = 3,  /* the connection broke; only rdu_close() and a new rdu_open() help */
  RDU_ERROR_TIMEOUT = 4,      /* the command still runs; an event can be waited for again */
  RDU_ERROR_INCOMPATIBLE = 5, /* not an RDU, or one whose registers or firmware speak another version */
  RDU_ERROR_FIRMWARE = 6,     /* the firmware failed to boot or does not answer; the device is of no use */
  RDU_ERROR_PROTOCOL = 7,     /* the device broke the rules of its own interface */
  RDU_ERROR_NO_MEMORY = 8,    /* the tier (or the host) has not that much free memory */
  RDU_ERROR_NO_RESOURCE = 9,  /* all contexts or queues of the device are in use */
  RDU_ERROR_IN_USE = 10,      /* something still depends on the object */
  RDU_ERROR_BAD_PROGRAM = 11, /* the program container is damaged, or made for another chip */
  RDU_ERROR_NOT_LOADED = 12,  /* launch of a program that is not the one loaded */
  RDU_ERROR_REJECTED = 13,    /* the firmware found a mistake in the command */
  RDU_ERROR_GUEST_FAULT = 14, /* a kernel or a copy did what the hardware forbids */
  RDU_ERROR_ABORTED = 15,     /* the command was stopped */
  RDU_ERROR_INTERNAL = 16,    /* a mistake of librdu */
  RDU_ERROR_HARDWARE =
      17, /* memory with an error that ECC cannot correct; a chip that is too hot to launch */
  /* From 1.1 on. */
  RDU_ERROR_PERMISSION = 18, /* the user may not do that */
  RDU_ERROR_UNSUPPORTED = 19 /* this device, or the way to it, does not offer it */
} rdu_result;

/* "the device went away": what a code means in general. Never NULL. */
RDU_EXPORT const char* rdu_strerror(rdu_result result);
/* The name of the code: "RDU_ERROR_DEVICE_LOST". Never NULL. */
RDU_EXPORT const char* rdu_result_name(rdu_result result);
/* What went wrong in this thread's last call that failed: "guest fault: the kernel accessed 0x100000200000
 * ...". Valid until the thread's next failure. Never NULL. */
RDU_EXPORT const char* rdu_last_error(void);
/* RDU_API_VERSION of the library that runs. */
RDU_EXPORT uint32_t rdu_api_version(void);

/* Gets lines without their ends, for people: what rdu_open() waits for, leaks. From any thread of the
 * callers. NULL (the initial state) drops them. Set it before the first rdu_open(). */
typedef void (*rdu_log_function)(const char* line, void* user);
RDU_EXPORT void rdu_set_log(rdu_log_function function, void* user);

/* --- device --- */

/* Where a device is looked for if neither the address nor $RDU_DEVICE names one, and the kernel driver has
 * none. */
#define RDU_DEFAULT_ADDRESS "unix:/tmp/rdu.sock"

/* Opens a device. address:
 *   "/dev/rdu0", "rdu0"   a node of the kernel driver, which has brought the device up;
 *   "unix:PATH", "PATH"   the socket of a simulator. The library itself is then the driver: it waits for the
 *                         socket, checks identity and versions, waits for the firmware to report ready,
 *                         places the admin queue, enables it. Other processes wait until it lets go;
 *   NULL                  $RDU_DEVICE, else the first node, else RDU_DEFAULT_ADDRESS.
 * All of it within `timeout_ms`, which is also the time-out of the administrative commands behind the other
 * functions, and for room in a full queue. A device may be opened several times, over the kernel driver. */
RDU_EXPORT rdu_result rdu_open(const char* address, uint32_t timeout_ms, rdu_device** device);

/* Lets the device go, whatever is still in use: contexts are deleted, running commands lost. Every handle
 * that belonged to it can only be destroyed (released) from here on; anything else gives
 * RDU_ERROR_DEVICE_LOST. Does not fail for a lost device. */
RDU_EXPORT rdu_result rdu_close(rdu_device* device);

/* (1.1) An address for rdu_open(). */
typedef struct rdu_address {
  char text[128];
} rdu_address;
/* (1.1) The devices of this machine: nodes of the kernel driver, by number, and what $RDU_DEVICE and
 * RDU_DEFAULT_ADDRESS name, if it exists; first the one that rdu_open(NULL) would open. Opens none of them.
 * Writes at most `capacity` entries; *count is how many there are. With capacity 0, `addresses` may be NULL.
 */
RDU_EXPORT rdu_result rdu_device_list(rdu_address* addresses, size_t capacity, size_t* count);
/* (1.1) How many those are. */
RDU_EXPORT rdu_result rdu_device_count(size_t* count);

typedef struct rdu_info {
  char model[32];
  char firmware[32];             /* build text */
  uint32_t firmware_version;     /* major << 16 | minor << 8 | patch */
  uint32_t interface_version;    /* of the registers: major << 16 | minor */
  uint32_t tiles, rows, columns; /* each tile has rows x columns pairs of a PCU and a PMU */
  uint32_t agcus;                /* of a tile */
  uint32_t queues;               /* queue pairs of the device, that of its administration included */
  uint32_t contexts;             /* that of the firmware included */
  uint64_t hbm_bytes, ddr_bytes;
  uint64_t hbm_bandwidth, ddr_bandwidth; /* peak, bytes a second */
} rdu_info;
RDU_EXPORT rdu_result rdu_get_info(rdu_device* device, rdu_info* info);

/* Device time now, ns. Reads a register. */
RDU_EXPORT rdu_result rdu_device_time(rdu_device* device, uint64_t* ns);

/* Bytes that memory moved since power-on. HBM and DDR are counted at their controllers, whoever moved them.
 * Host is what the copy engine moved over PCIe. */
typedef struct rdu_memory_counters {
  uint64_t hbm_read, hbm_written;
  uint64_t ddr_read, ddr_written;
  uint64_t host_read, host_written;
} rdu_memory_counters;
RDU_EXPORT rdu_result rdu_read_memory_counters(rdu_device* device, rdu_memory_counters* counters);

typedef enum rdu_unit_kind {
  RDU_KIND_PCU = 1,
  RDU_KIND_PMU = 2,
  RDU_KIND_SWITCH = 3,
  RDU_KIND_AGCU = 4
} rdu_unit_kind;

/* What a unit of tile 0 did in the last execution; cycles are of the fabric clock. */
typedef struct rdu_activity {
  uint32_t kind;        /* rdu_unit_kind */
  uint32_t row, column; /* row 0 is north; an AGCU's column is 0 (west) or 1 (east) */
  uint32_t reserved;
  uint64_t busy;      /* cycles in which it worked */
  uint64_t stall_in;  /* in which it waited for input */
  uint64_t stall_out; /* in which it waited for room behind it */
  uint64_t vectors;   /* that it sent */
  uint64_t bytes;     /* PMU: read and written in SRAM; AGCU: moved from and to memory */
} rdu_activity;
/* Writes at most `capacity` entries; *count is how many there are. With capacity 0, `units` may be NULL. */
RDU_EXPORT rdu_result rdu_read_activity(rdu_device* device, rdu_activity* units, size_t capacity,
                                        size_t* count);

/* The firmware's log. Writes at most `capacity` - 1 bytes and a zero; *bytes is the length of the whole log.
 */
RDU_EXPORT rdu_result rdu_read_log(rdu_device* device, char* text, size_t capacity, size_t* bytes);

/* --- health --- */

typedef enum rdu_sensor_kind {
  RDU_SENSOR_SOCKET = 1, /* the whole socket */
  RDU_SENSOR_CORE = 2,   /* the management core */
  RDU_SENSOR_HBM = 3,
  RDU_SENSOR_DDR = 4,
  RDU_SENSOR_TILE = 5
} rdu_sensor_kind;

typedef struct rdu_sensor {
  uint32_t kind;               /* rdu_sensor_kind */
  uint32_t index;              /* which of its kind */
  int32_t temperature;         /* thousandths of a degree Celsius, as the next three */
  int32_t low, high, critical; /* thresholds: passing one is a device event */
  uint32_t millivolts;         /* of its supply */
  uint32_t milliwatts;         /* averaged by the hardware */
  uint64_t microjoules;        /* since power-on */
} rdu_sensor;
/* Writes at most `capacity` entries, the whole socket first; *count is how many there are. With capacity 0,
 * `sensors` may be NULL. */
RDU_EXPORT rdu_result rdu_read_sensors(rdu_device* device, rdu_sensor* sensors, size_t capacity,
                                       size_t* count);

typedef struct rdu_health {
  const char* last_start;  /* why the firmware started: "power on", "software", "host", "watchdog". Static */
  uint32_t restarts;       /* of the management core, since power-on */
  uint32_t panics;         /* of the firmware, since power-on */
  uint64_t uptime_ns;      /* of the firmware */
  uint64_t log_lines_lost; /* of the firmware's log, overwritten by later ones */
  uint64_t events, events_lost; /* since the firmware started; lost: dropped before anybody took them */
  uint64_t hbm_corrected, hbm_uncorrected, ddr_corrected, ddr_uncorrected; /* errors found by ECC */
} rdu_health;
RDU_EXPORT rdu_result rdu_read_health(rdu_device* device, rdu_health* health);

/* Something that happened to the device by itself. rdu_abi.h has the numbers: RDU_EVENT_*, RDU_SEVERITY_*. */
typedef struct rdu_device_event {
  uint32_t sequence; /* running number since the firmware started, from 1 */
  uint32_t type, code, severity, source;
  uint64_t time_ns; /* device time */
  uint64_t value;   /* by type; not known (0) of an event that was waited for */
} rdu_device_event;
/* The latest, oldest first, whether somebody took them or not: as rdu_read_sensors. */
RDU_EXPORT rdu_result rdu_read_device_events(rdu_device* device, rdu_device_event* events, size_t capacity,
                                             size_t* count);
/* One line about an event, for people: "error: HBM: ECC could not correct an error at 0x40". Writes at most
 * `capacity` - 1 bytes and a zero. */
RDU_EXPORT rdu_result rdu_describe_device_event(const rdu_device_event* event, char* text, size_t capacity);

/* The report of the firmware's last panic since power-on, as text: kind, registers, return addresses, which
 * riscv64-unknown-elf-addr2line turns into places. *bytes is the length of all of it, 0 when there was no
 * panic; else as rdu_read_log. */
RDU_EXPORT rdu_result rdu_read_panic(rdu_device* device, char* text, size_t capacity, size_t* bytes);

/* --- who uses it (1.1) --- */

typedef struct rdu_context_usage {
  uint32_t id;     /* of the context */
  uint32_t queues; /* that it has */
  uint64_t owner;  /* process id; 0 over a simulator's socket, where there is but one process */
  uint64_t hbm_bytes, ddr_bytes;
  uint64_t commands;         /* completed */
  uint64_t copied_bytes;     /* by its copies */
  uint64_t tile_ns, copy_ns; /* device time of its launches and loads, and of its copies; of several at once,
                                each counts */
} rdu_context_usage;
/* Those that exist, by id, of all processes: as rdu_read_sensors. */
RDU_EXPORT rdu_result rdu_read_contexts(rdu_device* device, rdu_context_usage* contexts, size_t capacity,
                                        size_t* count);

typedef struct rdu_usage {
  uint64_t time_ns;             /* device time now */
  uint64_t tile_ns[4];          /* in which the tile was loading or executing, since power-on */
  uint64_t copy_ns[3];          /* in which the copy engine's channel was busy */
  uint64_t hbm_bytes, hbm_used; /* of contexts */
  uint64_t ddr_bytes, ddr_used;
} rdu_usage;
/* The share of time in which something was busy is its difference over that of time_ns, of two readings. */
RDU_EXPORT rdu_result rdu_read_usage(rdu_device* device, rdu_usage* usage);

/* --- contexts and memory --- */

/* Reserves `hbm_bytes` and `ddr_bytes` of device memory (each may be 0); no other context reaches it. */
RDU_EXPORT rdu_result rdu_context_create(rdu_device* device, uint64_t hbm_bytes, uint64_t ddr_bytes,
                                         rdu_context** context);
/* Memory that was not freed is reported to the log (with its tier, size and address) and freed. */
RDU_EXPORT rdu_result rdu_context_destroy(rdu_context* context);

typedef enum rdu_tier {
  RDU_TIER_HBM = 1,
  RDU_TIER_DDR = 2,
  RDU_TIER_HOST = 3,             /* pinned memory of this process, which the device reaches as well */
  RDU_TIER_MAX_ENUM = 0x7fffffff /* no tier: makes every number a value of the type, to be refused by name */
} rdu_tier;

/* Alignment of device memory, bytes. Host memory is aligned to pages. */
#define RDU_MEMORY_ALIGNMENT 256u

/* Contents are undefined in HBM and DDR, zero in host memory. */
RDU_EXPORT rdu_result rdu_mem_alloc(rdu_context* context, rdu_tier tier, uint64_t bytes, rdu_memory** memory);
/* The caller has waited for every command that uses it. Its bytes stay in the device: overwrite secrets. */
RDU_EXPORT rdu_result rdu_mem_free(rdu_memory* memory);
/* The virtual address by which kernels of the context reach it: segment << 44 | offset. 0 for NULL. */
RDU_EXPORT uint64_t rdu_mem_address(const rdu_memory* memory);
RDU_EXPORT uint64_t rdu_mem_size(const rdu_memory* memory);
RDU_EXPORT rdu_tier rdu_mem_tier(const rdu_memory* memory);
/* Host memory, and from rdu_mem_map() on memory of the device, as this process sees it; else NULL. */
RDU_EXPORT void* rdu_mem_pointer(const rdu_memory* memory);
/* (1.1) Maps memory of the device into this process, through a window of BAR2: loads and stores then go to
 * it over PCIe. For sparse accesses; copies are faster for all that is large. A command that was submitted
 * before may still change it. RDU_ERROR_NO_RESOURCE: no window is free; windows are few (16 of 16 MiB), and
 * are shared by all contexts. RDU_ERROR_UNSUPPORTED: the device has none. Of host memory: rdu_mem_pointer().
 */
RDU_EXPORT rdu_result rdu_mem_map(rdu_memory* memory, void** pointer);
/* (1.1) Nobody uses the pointer any more. Does nothing if it is not mapped. rdu_mem_free() does it, too. */
RDU_EXPORT rdu_result rdu_mem_unmap(rdu_memory* memory);
/* Free bytes of a tier of the context, and the largest piece of them (either may be NULL). HBM and DDR only.
 */
RDU_EXPORT rdu_result rdu_mem_available(rdu_context* context, rdu_tier tier, uint64_t* bytes,
                                        uint64_t* largest);

/* --- queues and commands --- */

/* entries: a power of two, 2..1024; 0: 64. Submitting to a full queue waits for room, at most the device's
 * time-out. */
RDU_EXPORT rdu_result rdu_queue_create(rdu_context* context, uint32_t entries, rdu_queue** queue);
/* Commands that still run are aborted. */
RDU_EXPORT rdu_result rdu_queue_destroy(rdu_queue* queue);
/* Waits until every command that was submitted has completed. Returns the first failure among those whose
 * event nobody took (event NULL) since the last call, so that no failure goes unseen. */
RDU_EXPORT rdu_result rdu_queue_finish(rdu_queue* queue, uint32_t timeout_ms);

/* Commands between the two are given to the device together, by one doorbell, and so run without the host's
 * part in between. A wait for one of them, or a full queue, gives it what is there already. */
RDU_EXPORT rdu_result rdu_queue_begin_batch(rdu_queue* queue);
RDU_EXPORT rdu_result rdu_queue_end_batch(rdu_queue* queue);

/* (1.1) Order between queues: commands that are submitted to `queue` from here on begin after the event's
 * command has completed, however that ended; `event` may be released at once. They stay on the host until
 * then (a thread of the library gives them to the device), so that they do not run ahead; submitting does not
 * wait. Of an event of the same queue, which is in order anyway, nothing is to be done. */
RDU_EXPORT rdu_result rdu_queue_wait_event(rdu_queue* queue, const rdu_event* event);

/* (1.1) A descriptor for poll(), select() or epoll, the queue's own: readable when commands have completed
 * since the last rdu_queue_acknowledge(), or when the device is lost. In a loop: poll(), acknowledge, then
 * rdu_event_query() for each event that is waited for. Other threads may wait for the queue meanwhile. Do not
 * read or close it. */
RDU_EXPORT rdu_result rdu_queue_get_fd(rdu_queue* queue, int* fd);
RDU_EXPORT rdu_result rdu_queue_acknowledge(rdu_queue* queue);

/* In all functions that end in _async: `event` may be NULL for a command whose completion is of no interest
 * by itself; else the caller releases the event. */

/* Copies between any two places of the context. Either both memories are of the queue's context or the call
 * fails. */
RDU_EXPORT rdu_result rdu_copy_async(rdu_queue* queue, rdu_memory* destination, uint64_t destination_offset,
                                     const rdu_memory* source, uint64_t source_offset, uint64_t bytes,
                                     rdu_event** event);
/* (1.1) Copies from and to any memory of this process, such as that of malloc(), which must stay as it is
 * until the copy has completed. It is pinned for that time, where the transport can: over the kernel driver.
 * Over a simulator's socket the library copies it to, or from, host memory of its own; what is downloaded is
 * there once an event, a query, rdu_queue_finish() or rdu_queue_acknowledge() has told that it completed. */
RDU_EXPORT rdu_result rdu_upload_async(rdu_queue* queue, rdu_memory* destination, uint64_t offset,
                                       const void* source, uint64_t bytes, rdu_event** event);
RDU_EXPORT rdu_result rdu_download_async(rdu_queue* queue, void* destination, const rdu_memory* source,
                                         uint64_t offset, uint64_t bytes, rdu_event** event);
/* Does nothing, in order: for measuring, and as a marker. */
RDU_EXPORT rdu_result rdu_nop_async(rdu_queue* queue, rdu_event** event);

/* Completes with the next event of the device, or at once with one that nobody has taken yet; each event goes
 * to one such command. The queue does nothing else meanwhile: have one for events alone. */
RDU_EXPORT rdu_result rdu_device_event_async(rdu_queue* queue, rdu_event** event);

/* --- programs --- */

/* Checks a program container (the file that the compiler writes) and puts its configuration into the
 * context's HBM. The bytes are no longer needed afterwards. */
RDU_EXPORT rdu_result rdu_program_create(rdu_queue* queue, const void* container, size_t bytes,
                                         uint32_t timeout_ms, rdu_program** program);
RDU_EXPORT rdu_result rdu_program_destroy(rdu_program* program);

typedef struct rdu_program_info {
  const char* name;       /* valid as long as the program */
  uint32_t rows, columns; /* of the tile that it was placed on */
  uint64_t configuration_bytes;
  size_t arguments;
} rdu_program_info;
RDU_EXPORT rdu_result rdu_program_get_info(rdu_program* program, rdu_program_info* info);

/* The i-th argument, i < rdu_program_info.arguments. Strings are valid as long as the program. */
typedef struct rdu_argument_info {
  const char* name;
  const char* description;
  uint32_t is_address; /* 1: the address of memory; 0: a number */
  uint32_t reserved;
  uint64_t minimum, maximum; /* that the program takes */
  uint64_t multiple;         /* the value must be a multiple of it */
} rdu_argument_info;
RDU_EXPORT rdu_result rdu_program_get_argument(rdu_program* program, size_t index, rdu_argument_info* info);

/* A fact that the compiler wrote into the program for its users ("pipelines" -> "4"), valid as long as the
 * program; NULL if the program does not state it. */
RDU_EXPORT const char* rdu_program_get_property(rdu_program* program, const char* name);

/* Loads the program into tile 0, where it stays until another is loaded. */
RDU_EXPORT rdu_result rdu_program_load_async(rdu_queue* queue, rdu_program* program, rdu_event** event);
/* (1.2) The same for any tile < rdu_info.tiles. Each tile holds one program and runs by itself: commands of
 * different queues on different tiles overlap. RDU_ERROR_INVALID_ARGUMENT if there is no such tile. */
RDU_EXPORT rdu_result rdu_program_load_on_async(rdu_queue* queue, rdu_program* program, uint32_t tile,
                                                rdu_event** event);

/* An argument by name. With `memory`: its address plus `value` bytes; without: `value` itself. */
typedef struct rdu_argument {
  const char* name;
  const rdu_memory* memory;
  uint64_t value;
} rdu_argument;

/* Runs the program, which must be the one that was loaded into tile 0 last. Every argument of the program
 * must be given exactly once. */
RDU_EXPORT rdu_result rdu_launch_async(rdu_queue* queue, rdu_program* program, const rdu_argument* arguments,
                                       size_t count, rdu_event** event);
/* (1.2) The same on any tile. */
RDU_EXPORT rdu_result rdu_launch_on_async(rdu_queue* queue, rdu_program* program, uint32_t tile,
                                          const rdu_argument* arguments, size_t count, rdu_event** event);

/* --- schedules (1.3) --- */

/* What a tile does by itself, one step after the other, while the host sleeps: loads, launches, loops and
 * conditions. It is built by the calls below, in order; the first run copies it to the device, and from then
 * on it can be run, as often as wanted, but not changed. Programs and memory that it names must live as long
 * as it runs. What makes no sense is RDU_ERROR_INVALID_ARGUMENT. */
typedef struct rdu_schedule rdu_schedule;
RDU_EXPORT rdu_result rdu_schedule_create(rdu_context* context, rdu_schedule** schedule);
RDU_EXPORT rdu_result rdu_schedule_destroy(rdu_schedule* schedule);

RDU_EXPORT rdu_result rdu_schedule_load(rdu_schedule* schedule, rdu_program* program);

/* An argument that grows: its value plus `step` times the rounds that the loop `level` loops out has done (0:
 * the innermost). A step of 0: it stays. */
typedef struct rdu_schedule_argument {
  rdu_argument argument;
  uint64_t step; /* two's complement */
  uint32_t level;
  uint32_t reserved;
} rdu_schedule_argument;
/* Launches the program that was loaded last, with every argument of it. */
RDU_EXPORT rdu_result rdu_schedule_launch(rdu_schedule* schedule, const rdu_schedule_argument* arguments,
                                          size_t count);

/* What follows, up to rdu_schedule_end_loop(), `rounds` times; 0: for ever. At most 8 loops within each
 * other. */
RDU_EXPORT rdu_result rdu_schedule_loop(rdu_schedule* schedule, uint32_t rounds);
RDU_EXPORT rdu_result rdu_schedule_end_loop(rdu_schedule* schedule);

/* Conditions compare the 32-bit number at memory + offset, when the tile comes there, with `value`. */
typedef enum rdu_condition { RDU_EQUAL = 1, RDU_NOT_EQUAL = 2, RDU_LESS = 3, RDU_NOT_LESS = 4 } rdu_condition;
/* What follows, up to rdu_schedule_end_if(), only if it holds. */
RDU_EXPORT rdu_result rdu_schedule_if(rdu_schedule* schedule, rdu_condition condition,
                                      const rdu_memory* memory, uint64_t offset, int32_t value);
RDU_EXPORT rdu_result rdu_schedule_end_if(rdu_schedule* schedule);
/* Leaves the innermost loop if it holds. Not within rdu_schedule_if(). */
RDU_EXPORT rdu_result rdu_schedule_break_if(rdu_schedule* schedule, rdu_condition condition,
                                            const rdu_memory* memory, uint64_t offset, int32_t value);
/* Goes on when it holds; the tile looks every `cycles` fabric cycles. */
RDU_EXPORT rdu_result rdu_schedule_wait_until(rdu_schedule* schedule, rdu_condition condition,
                                              const rdu_memory* memory, uint64_t offset, int32_t value,
                                              uint32_t cycles);
/* Writes a word: to host memory, say, where a thread looks for it. */
RDU_EXPORT rdu_result rdu_schedule_notify(rdu_schedule* schedule, const rdu_memory* memory, uint64_t offset,
                                          uint32_t value);

/* Runs it on a tile; rdu_event_info.cycles are those of all its executions together. */
RDU_EXPORT rdu_result rdu_schedule_run_async(rdu_queue* queue, rdu_schedule* schedule, uint32_t tile,
                                             rdu_event** event);
/* The same on tile 0, waiting. */
RDU_EXPORT rdu_result rdu_schedule_run(rdu_queue* queue, rdu_schedule* schedule, uint32_t timeout_ms);

/* --- events --- */

/* Sleeps until the command has completed. Returns how it ended, with the device's reason in rdu_last_error();
 * may be called again and says the same again. */
RDU_EXPORT rdu_result rdu_event_wait(rdu_event* event, uint32_t timeout_ms);

/* (1.1) Whether it has completed, well or not, without waiting: *completed is 1 or 0. Fails only when it
 * never will: RDU_ERROR_DEVICE_LOST, RDU_ERROR_ABORTED. */
RDU_EXPORT rdu_result rdu_event_query(rdu_event* event, uint32_t* completed);
/* (1.1) Until all have completed. Returns the failure of the first in the array that failed; if the time has
 * passed, RDU_ERROR_TIMEOUT. */
RDU_EXPORT rdu_result rdu_event_wait_all(rdu_event* const* events, size_t count, uint32_t timeout_ms);
/* (1.1) Until one has completed, well or not: its index, of several the lowest. The events may be of any
 * queues and devices. */
RDU_EXPORT rdu_result rdu_event_wait_any(rdu_event* const* events, size_t count, uint32_t timeout_ms,
                                         size_t* index);

typedef struct rdu_event_info {
  uint64_t start_ns; /* device time at which the engine began to work on the command */
  uint64_t end_ns;
  uint64_t cycles; /* fabric cycles of a program load or of an execution; 0 for other commands */
  uint64_t tag;    /* the command in the simulator's trace: (queue << 16 | command id) + 1 */
} rdu_event_info;
/* Of a command that has completed, well or not; RDU_ERROR_TIMEOUT before that. */
RDU_EXPORT rdu_result rdu_event_get_info(rdu_event* event, rdu_event_info* info);
/* What a command of rdu_device_event_async brought, once it has completed well; RDU_ERROR_TIMEOUT before
 * that. */
RDU_EXPORT rdu_result rdu_event_get_device_event(rdu_event* event, rdu_device_event* device_event);
/* The command goes on. */
RDU_EXPORT void rdu_event_release(rdu_event* event);

/* --- the same, waiting --- */

RDU_EXPORT rdu_result rdu_copy(rdu_queue* queue, rdu_memory* destination, uint64_t destination_offset,
                               const rdu_memory* source, uint64_t source_offset, uint64_t bytes,
                               uint32_t timeout_ms);
RDU_EXPORT rdu_result rdu_upload(rdu_queue* queue, rdu_memory* destination, uint64_t offset,
                                 const void* source, uint64_t bytes, uint32_t timeout_ms); /* (1.1) */
RDU_EXPORT rdu_result rdu_download(rdu_queue* queue, void* destination, const rdu_memory* source,
                                   uint64_t offset, uint64_t bytes, uint32_t timeout_ms); /* (1.1) */
RDU_EXPORT rdu_result rdu_program_load(rdu_queue* queue, rdu_program* program, uint32_t timeout_ms);
RDU_EXPORT rdu_result rdu_launch(rdu_queue* queue, rdu_program* program, const rdu_argument* arguments,
                                 size_t count, uint32_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
