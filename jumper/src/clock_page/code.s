# The functions. In the two that read something, rdi and rsi are arguments, r8 and r9 say where to go on without and with an answer.
.macro eos_claim name, bit
.Lck_\name\()_again:
    mov r10, [rip + .Lck_area]
    mov rax, [r10 + {serves}]
    bt rax, \bit
    jnc .Lck_go_r8
    mov rax, rsp
    shr rax, 13
    imul r11, rax, 0x1e3779b1
    shr r11, 58
    shl r11, {slot_shift}
    lea r11, [r10 + r11 + {slots}]
    xor eax, eax
.Lck_\name\()_claim:
    lock cmpxchg [r11 + {owner}], rsp
    jne .Lck_go_r8
    mov [r11 + {rdi}], rdi
    mov [r11 + {rsi}], rsi
    mov [r11 + {r8}], r8
    mov [r11 + {r9}], r9
    mov [r11 + {rbx}], rbx
    mov [r11 + {rbp}], rbp
    mov [r11 + {r12}], r12
    mov [r11 + {r13}], r13
    mov [r11 + {r14}], r14
    mov [r11 + {r15}], r15
    lea rax, [rip + .Lck_\name\()_again]
    mov [r11 + {again}], rax
    lea rsp, [r11 + {slot_bytes}]
.Lck_\name\()_claimed:
.endm
.macro eos_leave name, register, at
    mov rsp, [r11 + {owner}]
.Lck_\name\()_leave:
    mov rdi, [r11 + {rdi}]
    mov rsi, [r11 + {rsi}]
    mov \register, [r11 + \at]
    mov qword ptr [r11 + {owner}], 0
.Lck_\name\()_left:
    jmp \register
.endm
    .balign 16
.Lck_text:

.Lck_gettime:  # (clock, timespec)
    mov edi, edi
    lea r8, [rip + .Lck_gettime_call]
    lea r9, [rip + .Lck_gettime_done]
    cmp edi, {clocks_served}
    jae .Lck_go_r8
    eos_claim clock, rdi
    lea rsi, [r11 + {answer}]
    call [r10 + {gettime}]
    lea r11, [rsp - {slot_bytes}]
    test eax, eax
    jnz .Lck_clock_failed
    mov ecx, [r11 + {rdi}]
    shl ecx, {clock_shift}
    add rcx, [rip + .Lck_area]
    mov rax, [r11 + {answer}]
    mov rdx, [r11 + {answer} + 8]
    add rax, [rcx + {offset}]
    add rdx, [rcx + {offset} + 8]
    cmp rdx, 1000000000
    jb .Lck_whole
    sub rdx, 1000000000
    inc rax
.Lck_whole:
    cmp rax, [rcx + {floor}]
    jg .Lck_clock_read
    jl .Lck_floor
    cmp rdx, [rcx + {floor} + 8]
    jae .Lck_clock_read
.Lck_floor:
    mov r8, [rcx + {floor}]
    sub r8, rax
    cmp r8, [rcx + {step_max}]
    jg .Lck_clock_read
    mov rax, [rcx + {floor}]
    mov rdx, [rcx + {floor} + 8]
.Lck_clock_read:
    eos_leave clock_read, r9, {r9}
.Lck_clock_failed:
    eos_leave clock_failed, r8, {r8}
.Lck_go_r8:
    jmp r8
.Lck_gettime_done:
    mov [rsi], rax
    mov [rsi + 8], rdx
    xor eax, eax
    ret
.Lck_gettime_call:
    mov eax, {call_gettime}
    syscall
    ret
.Lck_gettime_end:

    .balign 16
.Lck_timeofday:  # (timeval, timezone)
    test rsi, rsi
    jnz .Lck_timeofday_both
    test rdi, rdi
    jz .Lck_timeofday_both
    mov rsi, rdi
    xor edi, edi
    lea r8, [rip + .Lck_timeofday_call]
    lea r9, [rip + .Lck_timeofday_done]
    jmp .Lck_clock_again
.Lck_timeofday_done:
    imul rdx, rdx, 274877907  # 2^38 / 1000, exact enough below 10^9
    shr rdx, 38
    mov [rsi], rax
    mov [rsi + 8], rdx
    xor eax, eax
    ret
.Lck_timeofday_call:
    mov rdi, rsi
    xor esi, esi
.Lck_timeofday_both:
    mov eax, {call_timeofday}
    syscall
    ret
.Lck_timeofday_end:

    .balign 16
.Lck_time:  # (seconds); the kernel's is that of the coarse clock
    mov rsi, rdi
    mov edi, {realtime_coarse}
    lea r8, [rip + .Lck_time_call]
    lea r9, [rip + .Lck_time_done]
    jmp .Lck_clock_again
.Lck_time_done:
    test rsi, rsi
    jz .Lck_time_told
    mov [rsi], rax
.Lck_time_told:
    ret
.Lck_time_call:
    mov rdi, rsi
    mov eax, {call_time}
    syscall
    ret
.Lck_time_end:

    .balign 16
.Lck_getres:  # (clock, timespec)
    mov eax, {call_getres}
    syscall
    ret
.Lck_getres_end:

    .balign 16
.Lck_getcpu:  # (processor, node, unused)
    lea r8, [rip + .Lck_getcpu_call]
    lea r9, [rip + .Lck_getcpu_done]
    eos_claim getcpu, {getcpu_bit}
    lea rdi, [r11 + {answer}]
    lea rsi, [r11 + {answer} + 8]
    xor edx, edx
    call [r10 + {getcpu}]
    lea r11, [rsp - {slot_bytes}]
    test eax, eax
    jnz .Lck_getcpu_failed
    mov eax, [r11 + {answer}]
    mov edx, [r11 + {answer} + 8]
    eos_leave getcpu_read, r9, {r9}
.Lck_getcpu_failed:
    eos_leave getcpu_failed, r8, {r8}
.Lck_getcpu_done:
    test rdi, rdi
    jz .Lck_no_processor
    mov [rdi], eax
.Lck_no_processor:
    test rsi, rsi
    jz .Lck_no_node
    mov [rsi], edx
.Lck_no_node:
    xor eax, eax
    ret
.Lck_getcpu_call:
    mov eax, {call_getcpu}
    syscall
    ret
.Lck_getcpu_end:
.Lck_text_end:
eos_rdma_clock_image_end:
# What `Marks` reads.
    .balign 8
eos_rdma_clock_marks:
.macro eos_marks labels:vararg
    .irp label, \labels
    .quad .Lck_\label - eos_rdma_clock_image
    .endr
.endm
    eos_marks area
    eos_marks clock_again, clock_claim, clock_claimed, getcpu_again, getcpu_claim, getcpu_claimed
    eos_marks clock_read_leave, clock_read_left, clock_failed_leave, clock_failed_left
    eos_marks getcpu_read_leave, getcpu_read_left, getcpu_failed_leave, getcpu_failed_left
.purgem eos_claim
.purgem eos_leave
.purgem eos_marks
.popsection
