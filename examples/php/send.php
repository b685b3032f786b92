<?php
// Sends through relay with PHPMailer (composer require phpmailer/phpmailer).
require 'vendor/autoload.php';

$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = 2525;
$mail->SMTPAuth = false;
$mail->SMTPAutoTLS = false; // plain on loopback; relay encrypts on the way out
$mail->CharSet = 'UTF-8';
$mail->setFrom('app@example.com', 'My application');
$mail->addAddress('someone@example.org');
$mail->Subject = 'Hello from PHP';
$mail->Body = 'It works.';
$mail->send();
