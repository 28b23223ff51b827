# What RTL is built with: one function that makes a C++ library of a module, one that checks a module's source. Differences
# between releases of Verilator (5.006, 5.03x) are hidden here and in verilate.py.

find_program(VERILATOR verilator REQUIRED)
find_program(YOSYS yosys REQUIRED)

option(RDU_RTL_COVERAGE "Verilated units count lines and toggles (VerilatedCov)" OFF)
set(RDU_RTL_OPTIMIZE -O3 CACHE STRING "How verilated units are compiled: less where one is compiled more often than run")

get_filename_component(RDU_RTL_DIR ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
set(_verilate ${RDU_RTL_DIR}/verilate.py)
# Modules are found by name in these folders; constants come from the register descriptions.
set(RDU_RTL_INCLUDES -I${RDU_RTL_DIR} -I${RDU_RTL_DIR}/common -I${RDU_RTL_DIR}/fp -I${RDU_RTL_DIR}/pcu -I${RDU_RTL_DIR}/check
                     -I${RDU_GENERATED_DIR}/rtl)
# Waves are compiled in: that costs nothing until they are recorded. Two states: what a register holds before reset is
# chosen at run time (Verilated::randReset), so that a bench can show that it does not matter. Loops over lanes stay loops:
# unrolled they make files that take minutes to compile.
set(_verilator_flags -O3 --unroll-count 28 --trace-fst --trace-structs --x-assign unique --x-initial unique --assert -Wno-fatal)
# For the PCU: loops over lanes stay loops, and wide values arrays: code that is a tenth as long, and faster.
set(RDU_RTL_PCU_FLAGS --unroll-count 8 --expand-limit 4)
if(RDU_RTL_COVERAGE)
  list(APPEND _verilator_flags --coverage-line --coverage-toggle)
endif()

# Verilator's own part, once a program. Outside of this tree it is there already.
if(NOT TARGET rdu_verilated)
  execute_process(
    COMMAND ${VERILATOR} --getenv VERILATOR_ROOT
    OUTPUT_VARIABLE _root OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  execute_process(
    COMMAND ${RDU_PYTHON} ${_verilate} --runtime --out ${CMAKE_CURRENT_BINARY_DIR}/runtime -- ${_verilator_flags}
    OUTPUT_VARIABLE _runtime OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH "^(.*)[|](.*)$" _runtime "${_runtime}")
  set(_runtime_sources ${CMAKE_MATCH_1})
  set(_runtime_libraries ${CMAKE_MATCH_2})
  list(TRANSFORM _runtime_sources PREPEND ${_root}/include/)
  add_library(rdu_verilated STATIC ${_runtime_sources})
  target_include_directories(rdu_verilated SYSTEM PUBLIC ${_root}/include ${_root}/include/vltstd)
  target_compile_definitions(rdu_verilated PUBLIC VM_SC=0 VM_TRACE=1 VM_TRACE_FST=1 VM_TRACE_VCD=0
                                                  VM_COVERAGE=$<BOOL:${RDU_RTL_COVERAGE}>)
  target_compile_options(rdu_verilated PRIVATE -w -O2 -g0 -fno-sanitize=all)
  target_link_libraries(rdu_verilated PUBLIC Threads::Threads ${_runtime_libraries})
endif()

# rdu_verilate(name TOP module [SOURCES file ...] [INCLUDES folder ...] [PARAMETERS NAME=VALUE ...] [PARTS n]
# [OPTIMIZE -On] [FLAGS flag ...]): a static library with the C++ model of a module: #include "Vname.h", class Vname.
# SOURCES: default the file that is called as the module; what it instantiates is found by itself, first in INCLUDES. PARTS:
# into how many files the hot code is divided, for compilers that run at once. OPTIMIZE: of that code, default RDU_RTL_OPTIMIZE. FLAGS: more
# for Verilator.
function(rdu_verilate name)
  cmake_parse_arguments(A "" "TOP;PARTS;OPTIMIZE" "SOURCES;INCLUDES;PARAMETERS;FLAGS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS OR NOT A_TOP)
    message(FATAL_ERROR "rdu_verilate(${name} TOP module [SOURCES ...] [INCLUDES ...] [PARAMETERS ...] [PARTS n] [OPTIMIZE -On]): ${A_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT A_SOURCES)
    set(A_SOURCES ${A_TOP}.sv)
  endif()
  if(NOT A_PARTS)
    set(A_PARTS 1)
  endif()
  set(_sources)
  foreach(_source ${A_SOURCES})
    get_filename_component(_source ${_source} ABSOLUTE)
    list(APPEND _sources ${_source})
  endforeach()
  if(NOT A_OPTIMIZE)
    set(A_OPTIMIZE ${RDU_RTL_OPTIMIZE})
  endif()
  set(_includes)
  foreach(_folder ${A_INCLUDES})
    get_filename_component(_folder ${_folder} ABSOLUTE)
    list(APPEND _includes -I${_folder})
  endforeach()
  list(TRANSFORM A_PARAMETERS PREPEND -G)
  set(_out ${CMAKE_CURRENT_BINARY_DIR}/${name}.verilated)
  set(_slow ${_out}/V${name}_slow.cpp)
  set(_fast)
  math(EXPR _last "${A_PARTS} - 1")
  foreach(_i RANGE ${_last})
    list(APPEND _fast ${_out}/V${name}_fast${_i}.cpp)
  endforeach()
  add_custom_command(
    OUTPUT ${_slow} ${_fast}
    BYPRODUCTS ${_out}/V${name}.h
    COMMAND ${RDU_PYTHON} ${_verilate} --prefix V${name} --out ${_out} --parts ${A_PARTS} --depfile ${_out}/inputs.d --
            ${_verilator_flags} ${A_FLAGS} ${_includes} ${RDU_RTL_INCLUDES} --top-module ${A_TOP} ${A_PARAMETERS} ${_sources}
    DEPENDS $<TARGET_NAME_IF_EXISTS:rdu_regs_files> ${_verilate} ${_sources}
    DEPFILE ${_out}/inputs.d
    COMMENT "Verilating ${name}")
  add_library(${name} STATIC ${_fast} ${_slow})
  target_include_directories(${name} SYSTEM PUBLIC ${_out})
  target_link_libraries(${name} PUBLIC rdu_verilated)
  # Generated code: its warnings are nobody's. Constructors run once: quick to compile is what they should be.
  target_compile_options(${name} PRIVATE -w -g0 -fno-sanitize=all)
  set_source_files_properties(${_fast} PROPERTIES COMPILE_OPTIONS ${A_OPTIMIZE})
  set_source_files_properties(${_slow} PROPERTIES COMPILE_OPTIONS "-O0")
endfunction()

# rdu_cosim_dut(name UNIT pcu|pmu|switch TOP module [SOURCES ...] [INCLUDES ...] [PARAMETERS ...] [PARTS n] [OPTIMIZE -On]
# [FLAGS ...] [NUMBERS name=value ...] [MEMORY member]): RTL behind the port list of pin models as a shared library name.so, for
# rduvp --dut and rdu-cosim --rtl (rtl/cosim/README.md). NUMBERS: those of a tile that it is for, where they are not the chip's.
# MEMORY: of a PMU, the array of its scratchpad's words as the verilated class calls it, e.g. pmu__DOT__memory.
function(rdu_cosim_dut name)
  cmake_parse_arguments(A "" "UNIT;TOP;MEMORY" "NUMBERS;FLAGS" ${ARGN})
  if(NOT A_UNIT MATCHES "^(pcu|pmu|switch)$" OR NOT A_TOP)
    message(FATAL_ERROR "rdu_cosim_dut(${name} UNIT pcu|pmu|switch TOP module ...): see rtl/cosim/README.md")
  endif()
  if(A_UNIT STREQUAL pmu AND NOT A_MEMORY)
    message(FATAL_ERROR "rdu_cosim_dut(${name} UNIT pmu ...): MEMORY is missing, the array that holds the scratchpad's words")
  endif()
  if(A_UNIT STREQUAL pcu AND NOT A_FLAGS)
    set(A_FLAGS ${RDU_RTL_PCU_FLAGS})
  endif()
  set(_class V${name}_dut)
  rdu_verilate(${name}_dut TOP ${A_TOP} FLAGS ${A_FLAGS} ${A_UNPARSED_ARGUMENTS})
  list(JOIN A_NUMBERS " " A_NUMBERS)
  set(_text "#include \"${_class}.h\"\n")
  if(A_UNIT STREQUAL pmu)
    string(APPEND _text "#include \"${_class}___024root.h\"\n#include \"cosim/dut_main.h\"\n"
      "struct Memory {\n  static auto& of(${_class}& v) { return v.rootp->${A_MEMORY}; }\n};\n")
    set(_make "(rdu::cosim::detail::make_pmu<${_class}, Memory>)")
  else()
    string(APPEND _text "#include \"cosim/dut_main.h\"\n")
    set(_make "rdu::cosim::detail::make<${_class}>")
  endif()
  string(APPEND _text "RDU_COSIM_DUT(\"${A_UNIT}\", \"${A_TOP}\", \"${A_NUMBERS}\", ${_make})\n")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}_main.cpp CONTENT "${_text}" @ONLY)
  add_library(${name} MODULE ${CMAKE_CURRENT_BINARY_DIR}/${name}_main.cpp)
  target_include_directories(${name} PRIVATE ${RDU_RTL_DIR})
  target_link_libraries(${name} PRIVATE ${name}_dut rdu_fabric)
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden)
endfunction()

# rdu_rtl_module(module [ELABORATE | NO_MAP] [PARAMETERS NAME=VALUE ...]): tests of the source of module.sv. Verilator's and our rules find nothing
# to say about it (unit.lint_MODULE), with its own parameters and with those given; yosys reads and maps it with those
# given, which make it small (rtl.map_MODULE); ELABORATE: only reads it, for a unit whose mapping takes minutes; NO_MAP: yosys is not asked, since it would take too long.
function(rdu_rtl_module module)
  cmake_parse_arguments(A "ELABORATE;NO_MAP" "" "PARAMETERS" ${ARGN})
  set(_file ${CMAKE_CURRENT_SOURCE_DIR}/${module}.sv)
  get_filename_component(_top ${module} NAME)
  set(_lint ${VERILATOR} --lint-only -Wall --unroll-count 28 ${RDU_RTL_INCLUDES} --top-module ${_top} ${RDU_RTL_DIR}/lint.vlt ${_file})
  add_test(NAME unit.lint_${_top} COMMAND ${_lint})
  set_tests_properties(unit.lint_${_top} PROPERTIES LABELS unit TIMEOUT 300)
  if(A_PARAMETERS)
    list(TRANSFORM A_PARAMETERS PREPEND -G OUTPUT_VARIABLE _verilator_parameters)
    add_test(NAME unit.lint_${_top}_small COMMAND ${_lint} ${_verilator_parameters})
    set_tests_properties(unit.lint_${_top}_small PROPERTIES LABELS unit TIMEOUT 300)
  endif()
  if(A_NO_MAP)
    return()
  endif()
  set(_elaborate)
  if(A_ELABORATE)
    set(_elaborate --elaborate)
  endif()
  add_test(NAME rtl.map_${_top}
    COMMAND ${PROJECT_SOURCE_DIR}/scripts/yosys --generated ${RDU_GENERATED_DIR} ${_elaborate} ${_top} ${A_PARAMETERS})
  set_tests_properties(rtl.map_${_top} PROPERTIES LABELS rtl TIMEOUT 900)
endfunction()
