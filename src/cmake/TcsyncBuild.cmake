# How every target of tcsync is built: language, warnings, sanitizers, where artefacts go, and
# tcsync_room(), which makes one static library per room so that a wrong include fails to link.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

include(GNUInstallDirs)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")

# The same sources give the same files in every directory: neither debug information, of which the
# linker's build ID is a digest, nor a program's path to the library names the directory. Debuggers find
# the sources from their top. Debug builds stay where they are, and are searched from anywhere.
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
add_compile_options("$<$<NOT:$<CONFIG:Debug>>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.>"
                    "$<$<NOT:$<CONFIG:Debug>>:-ffile-prefix-map=${PROJECT_BINARY_DIR}=build>")

# Warnings are for tcsync's own targets only; link this interface, do not set global flags.
add_library(tcsync_warnings INTERFACE)
target_compile_options(tcsync_warnings INTERFACE -Wall -Wextra)
if(TCSYNC_WERROR)
  target_compile_options(tcsync_warnings INTERFACE -Werror)
endif()

if(TCSYNC_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "TCSYNC_FUZZ=ON needs libFuzzer, which comes with clang: add "
                        "-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++")
  endif()
  if(NOT TCSYNC_SANITIZE)
    set(TCSYNC_SANITIZE "address,undefined")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(TCSYNC_SANITIZE)
  add_compile_options(-fsanitize=${TCSYNC_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TCSYNC_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # What GCC 12 says of Boost's headers under sanitizers.
    target_compile_options(tcsync_warnings INTERFACE -Wno-error=maybe-uninitialized)
    if(TCSYNC_SANITIZE STREQUAL "thread")
      target_compile_options(tcsync_warnings INTERFACE -Wno-tsan)
    endif()
  endif()
endif()

# tcsync_precompile(TARGET HEADER...): with TCSYNC_PRECOMPILE, which the presets of the sanitizers
# set, the target's files are compiled behind these headers, unless there are so few that the
# headers cost more than they save. clang takes a quarter of the time less for it, gcc none. Builds
# without it hold that each file includes what it uses.
function(tcsync_precompile target)
  get_target_property(_sources ${target} SOURCES)
  list(LENGTH _sources _count)
  if(TCSYNC_PRECOMPILE AND _count GREATER 4)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# tcsync_room(NAME SOURCES file... [PUBLIC target...] [PRIVATE target...])
# Makes the static library tcsync_NAME, alias tcsync::NAME. Includes are written from include/
# (<tcsync/...>) and from src/ ("room/file.h").
function(tcsync_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(tcsync_${name} STATIC ${ROOM_SOURCES})
  add_library(tcsync::${name} ALIAS tcsync_${name})
  target_include_directories(tcsync_${name}
    PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
           "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>"
    PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_compile_features(tcsync_${name} PUBLIC cxx_std_20)
  target_link_libraries(tcsync_${name}
    PUBLIC ${ROOM_PUBLIC}
    PRIVATE ${ROOM_PRIVATE} "$<BUILD_INTERFACE:tcsync_warnings>")
  set_target_properties(tcsync_${name} PROPERTIES EXPORT_NAME ${name})
  tcsync_precompile(tcsync_${name} <absl/status/statusor.h> <absl/strings/str_cat.h> <chrono>
    <functional> <memory> <optional> <string> <utility> <vector>)
  set_property(GLOBAL APPEND PROPERTY TCSYNC_ROOMS tcsync_${name})
endfunction()
